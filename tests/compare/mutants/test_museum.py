"""Bugs that were really shipped: well sourced, told from what is right, shown in a table."""

import json
import re

import pytest

from compare import mutants
from compare.mutants import exhibition
from compare.mutants.museum import exhibits
from compare.mutants.museum.published import PUBLISHED
from compare.mutants.rules import GRADCHECK

EVERY = exhibits()
#: A few; `.ci/run` examines them all.
FEW = ("#341", "#7340", "#401")


def test_sources():
    assert len(EVERY) >= 30
    assert len({e.project for e in EVERY}) >= 12
    assert len({e.name for e in EVERY}) == len(EVERY)
    for exhibit in EVERY:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", exhibit.project)
        assert re.fullmatch(r"#\d+|[0-9a-f]{7,40}", exhibit.thread)
        assert exhibit.source.startswith(f"https://github.com/{exhibit.project}/")
        assert len(exhibit.bug) <= 50


@pytest.mark.parametrize("thread", FEW)
def test_found_and_mended(thread):
    [exhibit] = [e for e in EVERY if e.thread == thread]
    shipped, mended = (mutants.examine(s, 0.0, {}) for s in exhibit.specimens())
    assert shipped.blamed, shipped.places
    assert mended.passed, mended.sentences


@pytest.fixture
def two(monkeypatch):
    few = [e for e in EVERY if e.thread in ("#1298", "#401")]
    monkeypatch.setattr("compare.mutants.museum.exhibits", lambda: few)


def test_command(two, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / "out.json"
    assert mutants.main(["--museum", "--repair", "off", "--json", str(path)]) == 0
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()[:-1]) <= 80
    assert "of 2 bugs that 2 projects shipped 2 found, 2 blamed" in out
    found = json.loads(path.read_text())
    assert found["explained"] == 2
    assert set(found["rules"]) == {*PUBLISHED, GRADCHECK}
    # Ones are the only incoming gradient of these rules: the first of them is as good as any.
    assert found["rules"]["allclose, rtol 1e-3, atol 1e-4"]["killed"] == 1
    assert found["rules"]["against itself"]["killed"] == 0
    [first, _] = found["exhibits"]
    assert first["source"] == "https://github.com/linkedin/Liger-Kernel/issues/1298"
    assert [x["mistake"] for x in first["shipped"]["found"]] == ["incoming gradient ignored"] * 2


def test_fails_where_one_is_not_found(two, monkeypatch, capsys):
    monkeypatch.setattr("compare.comparison.report.Report.passed", True)
    assert mutants.main(["--museum", "--repair", "off"]) == 1
    assert "was not found" in capsys.readouterr().out


def test_what_is_well():
    counts = {"planted": 6, "killed": 6, "blamed": 6, "explained": 5, "falsely_accused": 0}
    assert exhibition.is_well(counts)
    for worse in ({"blamed": 5}, {"explained": 4}, {"falsely_accused": 1}, {"killed": 5}):
        assert not exhibition.is_well(counts | worse)
    assert exhibition.is_well(counts | {"explained": 0}, changes=False)
