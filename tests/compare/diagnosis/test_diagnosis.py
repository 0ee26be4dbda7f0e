"""Every planted bug is found, blamed and called what it is; no right backward is accused."""

import pytest
import torch
from torch import nn

from compare import compare_gradients, mutants
from compare.catalogue import entries, volumes
from compare.catalogue.host import batch, between
from compare.catalogue.specimen import Specimen
from compare.diagnosis.mistake import Mistake
from compare.trial.question import Question
from tests.exhaustive import first_of_each

SPECIMENS = {specimen.name: specimen for specimen in mutants.specimens()}
BUGS = [name for name, specimen in SPECIMENS.items() if specimen.places]
RIGHT = [name for name in SPECIMENS if name not in BUGS]
#: The room of manual_backprop that its layer is in; of what is in none of them, the name itself.
ROOMS = {name: name for name in SPECIMENS}
ROOMS |= {specimen.name: "in three dimensions" for specimen in volumes.SPECIMENS}
ROOMS |= {
    specimen.name: entry.file.split("/")[1] for entry in entries() for specimen in entry.specimens()
}


@pytest.fixture(autouse=True)
def without_the_rules_of_others(monkeypatch):
    monkeypatch.setattr("compare.mutants.rules.verdicts", lambda *_: {})


@pytest.mark.parametrize("name", first_of_each(ROOMS.get, BUGS))
def test_bug(name):
    outcome = mutants.examine(SPECIMENS[name])
    assert outcome.killed
    assert outcome.blamed, outcome.places
    assert outcome.diagnosed is SPECIMENS[name].diagnosed, outcome.sentences


@pytest.mark.parametrize("name", first_of_each(ROOMS.get, RIGHT))
def test_right_backward_is_not_accused(name):
    outcome = mutants.examine(SPECIMENS[name])
    assert outcome.passed, (outcome.places, outcome.sentences)


def test_there_are_enough_and_every_mistake_is_planted():
    planted = {mistake for specimen in SPECIMENS.values() for mistake in specimen.mistakes}
    assert len(SPECIMENS) == len(mutants.specimens())  # no name twice
    assert len(BUGS) >= 40
    assert len(SPECIMENS) - len(BUGS) >= 20
    not_diagnosed = [name for name in BUGS if not SPECIMENS[name].diagnosed]
    assert len(not_diagnosed) <= (1 - mutants.DIAGNOSED) * len(BUGS)
    # Those that a backward which computes something cannot have been planted as.
    assert set(Mistake) - planted == {
        Mistake.ROUNDING,
        Mistake.RAISED,
        Mistake.WRONG_SHAPE,
        Mistake.NO_REFERENCE,
        Mistake.IN_THE_SOURCE,
        Mistake.UNKNOWN,
    }


def sentence(base, backward, **options):
    """What is said of a hand-written backward of an activation."""
    models = between(base).plant(backward)
    report = compare_gradients(models.manual, models.reference, *models.inputs, **options)
    [fault] = report.originators[0].faults
    return fault.diagnosis


class TestWhatIsNotKnown:
    """A near miss must not get the name of what it is near to."""

    @pytest.mark.parametrize(
        "backward",
        [
            lambda g, z, a: g * (1 - a * a) ** 3,
            lambda g, z, a: g * (1 - a**3),
            lambda g, z, a: g * torch.cos(2 * z),
        ],
    )
    def test_says_so(self, backward):
        found = sentence(nn.Tanh(), backward)
        assert found.mistake == Mistake.UNKNOWN
        assert "no known mistake explains it" in found.sentence

    def test_says_where(self):
        def column_three(g, z, a):
            right = g * (1 - a * a)
            right[:, 3] = right[:, 3] ** 2 + 0.3
            return right

        assert "column 3" in sentence(nn.Tanh(), column_three).sentence


def test_a_factor_is_named_by_what_stays_true_when_the_batch_changes():
    assert sentence(nn.Tanh(), lambda g, z, a: g * (1 - a * a) / len(g)).mistake == (
        Mistake.MEAN_FOR_SUM
    )
    found = sentence(nn.Tanh(), lambda g, z, a: g * (1 - a * a) / 6)
    assert found.mistake == Mistake.FACTOR
    assert "1/6, 6 being the number of" in found.sentence
    assert found.factor == pytest.approx(1 / 6)


class TestTheCountingCanFail:
    def build(self):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
        return Question(model, model, [batch(5, 3)])

    def test_a_bug_that_is_none(self):
        outcome = mutants.examine(Specimen("none", self.build, (("0", "weight"),)))
        assert not outcome.killed
        assert not mutants.is_well(mutants.tally([outcome]))

    @pytest.mark.parametrize("place", [("0", "bias"), ("2", "weight"), ("0", "input")])
    def test_a_bug_that_is_elsewhere(self, place):
        bug = SPECIMENS["Linear: weight averaged over the batch"]
        moved = Specimen("moved", bug.build, (place,), bug.mistakes)
        outcome = mutants.examine(moved)
        assert outcome.killed
        assert not outcome.blamed
        assert not mutants.is_well(mutants.tally([outcome]))

    def test_another_name(self):
        bug = SPECIMENS["Linear: weight averaged over the batch"]
        outcome = mutants.examine(Specimen("x", bug.build, bug.places, frozenset({Mistake.SIGN})))
        assert outcome.blamed
        assert not outcome.diagnosed
        assert not mutants.is_well(mutants.tally([outcome]))

    def test_an_accused_innocent(self):
        bug = SPECIMENS["Linear: weight averaged over the batch"]
        outcome = mutants.examine(Specimen("innocent", bug.build))
        counts = mutants.tally([outcome])
        assert (counts["right"], counts["falsely_accused"]) == (1, 1)
        assert not mutants.is_well(counts)
