import json

import pytest

from compare import mutants
from compare.mutants.rules import GRADCHECK, RULES

FEW = (
    "Linear: weight averaged over the batch",
    "Linear: weight 0.01 % too large",
    "Linear: einsum",
)


@pytest.fixture
def few(monkeypatch):
    every = mutants.specimens()
    monkeypatch.setattr(mutants, "specimens", lambda: [s for s in every if s.name in FEW])


def test_command(few, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("compare.comparison.pair.SECONDS", 60.0)
    path = tmp_path / "out.json"
    assert mutants.main(["--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert {key: found[key] for key in list(found)[:7]} == {
        "planted": 2,
        "killed": 2,
        "blamed": 2,
        "diagnosed": 2,
        "repaired": 2,
        "right": 1,
        "falsely_accused": 0,
    }
    assert set(found["rules"]) == {*RULES, GRADCHECK}
    # A weight 0.01 % too large passes all but the tightest of the others.
    assert found["rules"]["cosine > 0.99"]["killed"] < 2
    assert found["rules"]["torch.allclose, defaults"]["killed"] == 2
    out = capsys.readouterr().out
    assert "of 2 planted bugs 2 found, 2 blamed on the right layer, 2 diagnosed, 2 with a " in out
    assert "\x1b" not in out


def test_fails_where_one_is_not_found(few, monkeypatch, capsys):
    monkeypatch.setattr("compare.comparison.report.Report.passed", True)
    assert mutants.main([]) == 1
    assert "was not found" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--jsn", "x"], ["--json", "/nowhere/at/all.json"]])
def test_bad_input(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        mutants.main(arguments)
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
