"""Slips drawn at random: each is found, blamed, and undone by a change that is right elsewhere."""

import json

import pytest

from compare import mutants
from compare.catalogue.slips import slips
from compare.mutants import drawn, drawn_outcomes

SOURCE = '''
class F:
    def backward(ctx, g):
        """Words - not a slip."""
        x, w = ctx.saved_tensors
        grad = (g - x.sum(0)) * 2
        return grad @ w, None
'''


def planted(slip):
    return (
        SOURCE.encode()[: slip.start] + slip.text.encode() + SOURCE.encode()[slip.end :]
    ).decode()


def test_slips():
    found = [(slip.kind, planted(slip).splitlines()) for slip in slips(SOURCE, ["F.backward"])]
    lines = {(kind, text[slip_line - 1].strip()) for (kind, text) in found for slip_line in (6, 7)}
    assert any(kind == "term lost" for kind, _ in found)
    assert ("statement lost", "pass") in lines
    assert ("call lost", "grad = (g - (x)) * 2") in lines
    assert ("argument lost", "grad = (g - (x.sum())) * 2") in lines
    assert ("results exchanged", "return None, grad @ w") in lines
    assert ("None", "return None, None") in lines
    assert not slips(SOURCE, ["G.backward"])


@pytest.fixture
def softsign(monkeypatch):
    from compare.catalogue import entries

    few = [entry for entry in entries() if entry.name == "Softsign"]
    monkeypatch.setattr(drawn, "entries", lambda: few)
    monkeypatch.setattr("compare.comparison.pair.SECONDS", 60.0)


def test_the_same_seed_draws_the_same(softsign):
    first = [d.slip for d in drawn.draw(5, 1)]
    assert first == [d.slip for d in drawn.draw(5, 1)]
    assert first != [d.slip for d in drawn.draw(5, 2)]


def test_command(softsign, tmp_path, capsys):
    path = tmp_path / "out.json"
    assert mutants.main(["--edits", "4", "--seed", "1", "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert found["drawn"] == len(found["slips"]) == 4
    assert found["found"] == found["blamed"] == found["wrong"] > 0
    assert found["wrong_changes"] == 0
    assert "with a verified change" in capsys.readouterr().out


def test_fails_where_a_change_is_wrong(softsign, monkeypatch):
    right = drawn_outcomes.is_right
    monkeypatch.setattr(
        drawn_outcomes, "is_right", lambda d, layer, seeds: seeds[0] < 20 and right(d, layer, seeds)
    )
    assert not drawn_outcomes.run(4, 1, None)


def test_no_change_is_wanted_where_none_is_looked_for(softsign, capsys):
    assert drawn_outcomes.run(4, 1, None, 0.0)
    assert "no change" not in capsys.readouterr().out
