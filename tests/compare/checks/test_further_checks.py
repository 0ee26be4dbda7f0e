"""Each of the further checks: agrees where it should, and is seen failing."""

import copy
import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compare.catalogue.rewritten import function, layer
from compare.checks import ask
from compare.checks.check import AGREES, NOT_AVAILABLE, WRONG
from compare.command.argument_types import CHECKS
from compare.trial.question import Question
from tests.exhaustive import some


def question(manual, reference, **options):
    values = {"loss": None, "inputs": (torch.randn(6, 5),), "targets": None, **options}
    return Question(manual, reference, **values)


class Square(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        return g * 2 * ctx.saved_tensors[0]


class Squaring(nn.Module):
    function = Square

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, x):
        return self.function.apply(self.layer(x).tanh())


class Plain(Squaring):
    def forward(self, x):
        return self.layer(x).tanh() ** 2


def wrong_in(**methods):
    """A Squaring whose Function has these methods instead."""
    named = {name: staticmethod(method) for name, method in methods.items()}
    bad = type("Bad", (Square,), named)
    return type("BadSquaring", (Squaring,), {"function": bad})()


@pytest.mark.parametrize("name", [name for name in CHECKS if name not in ("compile", "ddp")])
def test_agrees(name):
    found = ask(name, question(Squaring(), Plain()))
    assert (found.verdict, found.passed) == (AGREES, True), found.detail


def saved(ctx):
    return ctx.saved_tensors[0]


def only_once(ctx, g):
    return Square.backward(ctx, g).detach()


class Drawn:
    """Another number each time, whatever the seed."""

    n = 0

    @classmethod
    def backward(cls, ctx, g):
        cls.n += 1
        return g * (2 + 1e-3 * cls.n) * saved(ctx)


@pytest.mark.parametrize(
    ("name", "manual", "detail"),
    [
        (
            "finite-differences",
            lambda: wrong_in(backward=lambda ctx, g: g * 2.01 * saved(ctx)),
            "layer.weight",
        ),
        ("double-backward", lambda: wrong_in(backward=only_once), "input 0"),
        (
            "double-backward",
            lambda: wrong_in(backward=torch.autograd.function.once_differentiable(Square.backward)),
            "input 0",
        ),
        ("determinism", lambda: wrong_in(backward=Drawn.backward), "layer.weight"),
    ],
)
def test_seen_failing(name, manual, detail):
    found = ask(name, question(manual(), Plain()))
    assert found.verdict == WRONG, found.detail
    assert detail in found.detail


def test_layouts_seen_failing():
    apply = function(
        F.linear,
        lambda g, x, w, b: (g @ w, g.T @ x.as_strided(x.shape, (x.shape[1], 1)), g.sum(0)),
    )
    reference = nn.Sequential(nn.Linear(5, 3))
    manual = copy.deepcopy(reference)
    manual[0] = layer(reference[0], lambda self, x: apply(x, self.weight, self.bias))
    found = ask("layouts", question(manual, reference))
    assert found.verdict == WRONG
    assert "transposed: 0.weight" in found.detail


def test_vmap_with_a_wrong_rule():
    manual = wrong_in(vmap=lambda info, dims, x: (x * x * 1.5, 0))
    manual.function.generate_vmap_rule = False
    found = ask("vmap", question(manual, Plain()))
    assert found.verdict == WRONG
    assert "output" in found.detail


def test_vmap_without_a_rule():
    class NoRule(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    manual = type("Manual", (Squaring,), {"function": NoRule})()
    found = ask("vmap", question(manual, Plain()))
    assert found.verdict == WRONG
    assert "cannot be vmapped" in found.detail


@pytest.mark.parametrize("backend", some(["aot_eager"], ["aot_eager", "inductor"]))
def test_compile(backend, monkeypatch):
    """The graph is the same; inductor starts a compiler of C++, which takes ten seconds."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    agrees = ask("compile", question(Squaring(), Plain()))
    if agrees.verdict == NOT_AVAILABLE:
        pytest.skip(agrees.detail)
    assert agrees.verdict == AGREES, agrees.detail
    wrong = wrong_in(backward=lambda ctx, g: g * 2.01 * saved(ctx))
    assert "layer.weight" in ask("compile", question(wrong, Plain())).detail
    assert ask("compile", question(BreaksTheGraph(), Plain())).verdict == WRONG


class BreaksTheGraph(Squaring):
    def forward(self, x):
        torch._dynamo.graph_break()
        return super().forward(x)


class DependsOnTheRank(nn.Module):
    """One part is the same in each process, the other is not."""

    def __init__(self):
        super().__init__()
        self.same, self.other = Squaring(), Squaring()

    def forward(self, x):
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        return self.same(x), self.other(x + rank)


def test_ddp():
    found = ask("ddp", question(DependsOnTheRank(), DependsOnTheRank()))
    assert found.verdict == WRONG, found.detail
    assert found.detail == "two processes get other gradients: other.layer.weight, other.layer.bias"


@pytest.mark.parametrize("name", ["ddp", "vmap"])
def test_not_available(name):
    inputs = (torch.tensor(1.0),)
    found = ask(name, question(torch.tanh, torch.tanh, inputs=inputs))
    assert (found.verdict, found.passed) == (NOT_AVAILABLE, True)


def test_nothing_is_left_behind():
    manual = Squaring()
    asked = question(manual, Plain())
    before = torch.get_rng_state()
    for name in CHECKS:
        if name not in ("compile", "ddp"):
            ask(name, asked)
    assert torch.equal(before, torch.get_rng_state())
    assert manual.layer.weight.grad is None
    assert not manual.layer._forward_hooks
