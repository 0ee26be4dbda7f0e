import copy
import math

import pytest
import torch
from torch import nn

from compare import train_in_lockstep
from compare.training import trainee
from compare.trial.errors import ComparisonError, ManualError
from tests.compare.planted import PLANTED, WEIGHT, batch, changed, pair


def batches(steps=12):
    return [batch(seed) for seed in range(steps)]


def train(layer="", fault=None, steps=12, **options):
    manual, reference, *losses = pair(layer, fault) if fault else pair()
    return train_in_lockstep(manual, reference, batches(steps), loss=tuple(losses), **options)


class DoubleThenBack(nn.Linear):
    """A right backward that rounds differently: it is computed in float64."""

    def forward(self, x):
        return nn.functional.linear(x.double(), self.weight.double(), self.bias.double()).float()


def test_same_model_is_bitwise_the_same():
    _, reference, _, loss = pair()
    training = train_in_lockstep(copy.deepcopy(reference), reference, batches(), loss=loss)
    assert training.passed
    assert training.as_json() == {
        "passed": True,
        "steps": 12,
        "bitwise": True,
        "first_difference": None,
        "max_abs": 0.0,
    }


def test_differences_that_are_rounding_pass_and_are_told():
    _, reference, _, loss = pair()
    manual = copy.deepcopy(reference)
    manual[2] = DoubleThenBack(8, 8)
    training = train_in_lockstep(manual, reference, batches(), loss=loss)
    assert training.passed
    assert not training.bitwise
    outcome = training.as_json()
    assert outcome["first_difference"]["step"] == 1
    assert outcome["first_difference"]["verdict"] in ("rounding", "manual is closer to the truth")
    assert 0 < outcome["first_difference"]["max_abs"] < 1e-6
    assert 0 < outcome["max_abs"] < 1e-4


@pytest.mark.parametrize("name", PLANTED)
def test_planted_fault_fails_and_its_layer_is_named(name):
    layer, fault, culprit, first = PLANTED[name]
    training = train(layer, fault)
    assert not training.passed
    assert training.first_step == 1
    assert training.steps == 1  # and no further
    assert training.report.failures[0].name == first
    assert training.report.failures[0].source == culprit
    assert training.max_abs > 0  # of the weights after that step


def test_first_difference_in_the_order_of_the_backward():
    training = train("2", changed(WEIGHT, lambda r, *_: r * 1.01))
    outcome = training.as_json()["first_difference"]
    assert outcome["tensor"] == "2.weight gradient"
    assert outcome["verdict"] == "bug"
    assert outcome["max_rel"] == pytest.approx(0.01, rel=0.05)
    assert outcome["max_ulp"] > 10_000
    assert len(outcome["index"]) == 2


def test_fault_that_starts_late():
    calls = iter(range(100))
    wrong = changed(WEIGHT, lambda r, *_: -r)
    training = train("2", lambda s, g, r: wrong(s, g, r) if next(calls) >= 7 else r)
    assert (training.first_step, training.passed) == (8, False)


class TestFaultThatHidesInTheDrift:
    """Each of the occasions to judge, the others switched off; rounding differs from step 1 on."""

    @pytest.fixture(autouse=True)
    def no_occasion(self, monkeypatch):
        monkeypatch.setattr(trainee, "JUMP", math.inf)
        monkeypatch.setattr(trainee, "LOOK", 10**9)

    def steps_until_found(self, given, is_wrong):
        """Step at which a gradient is found that is 1 % off where ``is_wrong(x, steps done)``."""
        manual, reference, loss, reference_loss = pair()
        manual[4] = DoubleThenBack(8, 3)
        done: list[object] = []
        manual[2].fault = changed(
            WEIGHT, lambda r, s, g: r * 1.01 if is_wrong(s[0], len(done)) else r
        )
        training = train_in_lockstep(
            manual, reference, given, loss=(loss, reference_loss), on_step=done.append
        )
        assert training.first_step == 1
        if training.passed:
            return None
        assert [row.name for row in training.report.failures] == ["2.weight"]
        return training.steps

    def test_it_would_hide(self):
        assert self.steps_until_found(batches(9), lambda x, done: done == 5) is None

    def test_jump(self, monkeypatch):
        monkeypatch.setattr(trainee, "JUMP", 4.0)
        assert self.steps_until_found(batches(9), lambda x, done: done == 5) == 6

    def test_batch_of_another_shape(self):
        given = batches(9)
        given[5] = tuple(t[:7] for t in given[5])
        assert self.steps_until_found(given, lambda x, done: len(x) == 7) == 6

    def test_last_step(self):
        assert self.steps_until_found(batches(9), lambda x, done: done == 8) == 9

    def test_every_so_many_steps(self, monkeypatch):
        monkeypatch.setattr(trainee, "LOOK", 3)
        assert self.steps_until_found(batches(9), lambda x, done: done == 3) == 4
        assert self.steps_until_found(batches(9), lambda x, done: done in (2, 4)) is None


def test_nothing_is_left_behind():
    manual, reference, loss, reference_loss = pair()
    models = manual, reference
    before = [copy.deepcopy(model.state_dict()) for model in models]
    random_state = torch.get_rng_state()
    train_in_lockstep(manual, reference, batches(3), loss=(loss, reference_loss))
    assert torch.equal(random_state, torch.get_rng_state())
    for model, state in zip(models, before, strict=True):
        assert all(torch.equal(state[name], p) for name, p in model.state_dict().items())
        assert all(p.grad is None for p in model.parameters())


def test_dropout_drops_the_same_on_both_sides():
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    loss = nn.CrossEntropyLoss()
    random_state = torch.get_rng_state()
    assert train_in_lockstep(copy.deepcopy(model), model, batches(), loss=loss).bitwise
    assert torch.equal(random_state, torch.get_rng_state())


def test_learning_rate_and_momentum_are_used(monkeypatch):
    given = []

    class SGD(torch.optim.SGD):
        def __init__(self, parameters, **options):
            given.append(options)
            super().__init__(parameters, **options)

    monkeypatch.setattr(torch.optim, "SGD", SGD)
    train(steps=1, lr=0.3, momentum=0.7)
    assert given == [{"lr": 0.3, "momentum": 0.7}] * 2


class TestProvesNothing:
    def test_no_batches(self):
        with pytest.raises(ComparisonError, match="no batches"):
            train(steps=0)

    def test_no_parameters(self):
        with pytest.raises(ComparisonError, match="no parameters"):
            train_in_lockstep(nn.ReLU(), nn.ReLU(), batches(), loss=nn.CrossEntropyLoss())

    def test_loss_that_is_nan(self):
        training = train(steps=40, lr=1e9)
        assert not training.passed
        assert "smaller learning rate" in training.problem

    def test_weights_that_do_not_move(self):
        dead = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3, bias=False))
        nn.init.zeros_(dead[0].weight)
        nn.init.constant_(dead[0].bias, -1)
        loss = nn.CrossEntropyLoss()
        training = train_in_lockstep(copy.deepcopy(dead), dead, batches(3), loss=loss)
        assert not training.passed
        assert "no weight of the reference has moved" in training.problem


def test_only_manual_becomes_nan():
    training = train("2", changed(WEIGHT, lambda r, *_: r * math.nan))
    assert not training.passed
    assert training.as_json()["first_difference"]["max_abs"] is None
    assert training.as_json()["max_abs"] is None


def test_manual_that_raises():
    def fault(saved, g, gradients):
        raise IndexError("no such row")

    with pytest.raises(ManualError, match="at step 1: IndexError: no such row"):
        train("2", fault)
