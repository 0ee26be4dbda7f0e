"""What the claims of the notes rest on: the verdict, the curve, and claims seen failing."""

import importlib
from itertools import pairwise

import pytest
import torch

from compare.notes import approximation, claim, curve, systems
from compare.notes.claim import (
    Claim,
    Finding,
    agrees,
    equal,
    equations,
    fact,
    figure,
    misprint,
    unreadable,
)
from manual_backprop import functional, optim, perceptron
from manual_backprop.network import Network
from manual_backprop.perceptron import SigmoidNeuron
from tests import ROOT

# --- the verdict

HOLDS, FAILS = Finding(True, "exact"), Finding(False, "off by 1")


@pytest.mark.parametrize(
    ("made", "verdict", "passed"),
    [
        (agrees("000:1", "c", "p", HOLDS, "f"), "agrees", True),
        (agrees("000:1", "c", "p", FAILS, "f"), "differs", False),
        (misprint("000:1", "c", "p", FAILS, "r", HOLDS, "f"), "misprint", True),
        (misprint("000:1", "c", "p", HOLDS, "r", HOLDS, "f"), "agrees", False),
        (misprint("000:1", "c", "p", FAILS, "r", FAILS, "f"), "differs", False),
        (unreadable("000:1", "c", "p", "lost", None, "f"), "unreadable", True),
        (unreadable("000:1", "c", "p", "lost", HOLDS, "f"), "unreadable", True),
        (unreadable("000:1", "c", "p", "lost", FAILS, "f"), "differs", False),
    ],
)
def test_verdicts(made: Claim, verdict, passed):
    assert (made.verdict, made.passed) == (verdict, passed)


@pytest.mark.parametrize(
    ("printed", "value", "holds"),
    [
        ("0.073", 0.0731, True),
        ("0.073", 0.0735, True),  # the half may go either way
        ("0.073", 0.0736, False),
        ("0.0214", 0.02167, False),
        ("−4", torch.tensor(-4.0), True),
        ("−4", 4.0, False),
        ("0.5", float("nan"), False),
    ],
)
def test_figures_agree_to_the_digits_printed(printed, value, holds):
    assert figure(printed, value).holds is holds


def test_equations_agree_to_rounding_only():
    truth = torch.tensor([1e-8, 2e-8], dtype=torch.float64)
    assert equal(truth.clone(), truth) == Finding(True, "exact")
    assert equal(truth * (1 + 1e-13), truth).holds
    assert not equal(truth * (1 + 1e-11), truth).holds  # relative, however small the numbers
    assert not equal(truth, truth, truth + 1e-9).holds
    assert not equal(truth.unsqueeze(0), truth).holds
    for wrong in (float("nan"), float("inf")):
        assert not equal(torch.tensor([wrong, 2e-8], dtype=torch.float64), truth).holds
    assert not equal(truth, torch.tensor([float("nan"), 2e-8], dtype=torch.float64)).holds
    assert not equal(truth, torch.zeros_like(truth)).holds


def test_shapes_that_do_not_fit_are_a_finding_other_errors_are_not():
    a, b = torch.ones(2, 3), torch.ones(2, 4)
    assert equal(lambda: a @ b, a) == Finding(False, "shapes do not fit, 2×3 and 2×4")
    assert equal(lambda: a * b, a) == Finding(False, "shapes do not fit, 3 and 4")

    def broken():
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        equal(broken, a)
    assert fact(torch.tensor(True), "so") == Finding(True, "so")
    assert claim.TOLERANCE <= 1e-12


def test_a_table_of_equations_is_a_claim_a_row():
    one = torch.ones(2, dtype=torch.float64)
    right, wrong = equations(fact, ("000:1", "c", "1", one, one), ("000:2", "c", "2", 2 * one, one))
    assert (right.at, right.verdict, right.passed) == ("000:1", "agrees", True)
    assert (wrong.at, wrong.verdict, wrong.computed) == ("000:2", "differs", "off by 1")
    with pytest.raises(TypeError, match="truth"):
        list(equations(fact, ("000:3", "c", "nothing to hold it against", one)))


def test_the_source_is_where_the_code_is_written():
    lines = (ROOT / "manual_backprop/perceptron.py").read_text(encoding="utf-8").splitlines()
    for code, text in (
        (SigmoidNeuron, "class SigmoidNeuron:"),
        (SigmoidNeuron.loss, "    def loss("),
        (perceptron.Perceptron.from_threshold, "    @classmethod"),
    ):
        file, _, line = agrees("000:1", "c", "p", HOLDS, code).source.rpartition(":")
        assert file == "manual_backprop/perceptron.py"
        assert lines[int(line) - 1].startswith(text)


def test_the_source_of_a_decorated_function_is_its_own():
    source = agrees("000:1", "c", "p", HOLDS, functional.sigmoid).source
    assert source.startswith("manual_backprop/activation/")


def test_a_curve_is_what_it_says():
    x = torch.linspace(0, 1, 11, dtype=torch.float64)
    expected = torch.sin(2 * torch.pi * x) - x**2 / 3 + torch.e
    torch.testing.assert_close(curve.parse("sin(2*pi*x) - x**2/3 + e")(x), expected)
    assert torch.equal(curve.parse("-2")(x), torch.full_like(x, -2.0))


@pytest.mark.parametrize("expression", [curve.DEFAULT, "abs(x - 0.5)", "exp(-9*x)"])
def test_more_neurons_approximate_better(expression):
    errors = approximation.errors(expression)
    assert errors[-1] < 0.02 * errors[0]
    assert all(later < 1.3 * earlier for earlier, later in pairwise(errors))


# --- seen failing


def planted_loss(self, x, y):
    return (self(x) - torch.as_tensor(y)).abs().sum() / 2


def backward_too_large(self, y, real=Network.backward):
    right = real(self, y)
    return right._replace(weights=[g * 1.001 for g in right.weights])


PLANTED = {
    "the threshold itself does not fire": (
        (1, 2),
        perceptron.Perceptron,
        "__call__",
        lambda self, x: (self.weights[0] + perceptron._rows(x) @ self.weights[1:] > 0).long(),
    ),
    "inseparable is never shown": (
        (1,),
        perceptron,
        "_prove_inseparable",
        lambda steps, picked: False,
    ),
    "another loss": ((3, 4), SigmoidNeuron, "loss", planted_loss),
    "a gradient of half the size": (
        (3,),
        SigmoidNeuron,
        "gradient",
        lambda self, x, y, real=SigmoidNeuron.gradient: tuple(g / 2 for g in real(self, x, y)),
    ),
    "a gradient for w without the factor x": (
        (3, 4),
        SigmoidNeuron,
        "gradient",
        lambda self, x, y, real=SigmoidNeuron.gradient: (
            real(self, x, y)[1].view(1),
            real(self, x, y)[1],
        ),
    ),
    "a softmax that does not sum to 1": (
        (5,),
        functional,
        "softmax",
        lambda z, dim: torch.softmax(z, dim) * 0.999,
    ),
    "weights that are 0.1 % too large": ((8, 9, 12, 13), Network, "backward", backward_too_large),
    "an accuracy that is always a half": (
        (8, 9),
        Network,
        "accuracy",
        lambda self, x, y: 0.5,
    ),
    "a loss in base 2": (
        (7,),
        functional,
        "cross_entropy",
        lambda z, t, reduction="mean": (
            1.4427 * torch.nn.functional.cross_entropy(z, t, reduction=reduction)
        ),
    ),
    "a velocity without 1 − β": (
        (10,),
        optim,
        "Momentum",
        lambda w, lr, b=0.9: optim.SGD(w, lr, b),
    ),
    "a squared error without its ½": (
        (7, 8, 11),
        functional,
        "squared_error_loss",
        lambda a, y, reduction="sum": (a - y).square().sum(),
    ),
    "one neuron whatever the width": (
        (14,),
        approximation,
        "errors",
        lambda expression, real=approximation.errors: real(expression, (1,) * 8),
    ),
}


@pytest.mark.parametrize(("affected", "owner", "name", "bug"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_bug_is_reported(affected, owner, name, bug, monkeypatch):
    # All are imported first: one that is imported later would keep the planted bug for good.
    modules = [
        importlib.import_module(f"compare.notes.{module}")
        for system in affected
        for module in systems.SYSTEMS[system][1]
    ]
    right = getattr(owner, name)
    monkeypatch.setattr(owner, name, bug)
    for module in modules:
        if vars(module).get(name) is right:
            monkeypatch.setattr(module, name, bug)
    for system in affected:
        failures = [c for c in systems.claims_of(system) if not c.passed]
        assert failures, system
        assert "stopped by an error" not in [c.says for c in failures], failures
        assert all(c.verdict in ("differs", "agrees") for c in failures)
        assert all(c.source for c in failures)


def test_a_system_that_raises_is_a_failing_row(monkeypatch):
    def broken(self, x, y):
        raise RuntimeError("no loss today")

    monkeypatch.setattr(SigmoidNeuron, "loss", broken)
    (only,) = systems.claims_of(3)
    assert not only.passed
    assert only.computed == "RuntimeError: no loss today"
