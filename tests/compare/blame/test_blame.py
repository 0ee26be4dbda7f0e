"""Which layer is named: every kind of model in which a fault can hide."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compare import compare_gradients
from tests.compare.by_hand import (
    accused,
    by_hand,
    module,
    one_at_zero,
    plain,
    straight_through,
    verdicts,
)
from tests.compare.planted import batch, changed, pair
from tests.exhaustive import some


def test_the_layers_before_a_fault_inherit_and_those_after_it_are_clean():
    manual, reference, *_ = pair("3", changed(0, lambda r, *_: -r))
    assert verdicts(compare_gradients(manual, reference, batch()[0])) == {
        "0": "inherited",
        "1": "inherited",
        "2": "inherited",
        "3": "wrong",
        "4": "correct",
    }


def test_a_wrong_weight_gradient_harms_nobody_else():
    manual, reference, *_ = pair("2", changed(1, lambda r, *_: -r))
    found = verdicts(compare_gradients(manual, reference, batch()[0]))
    assert [name for name, verdict in found.items() if verdict != "correct"] == ["2"]


def test_several_independent_faults():
    manual, reference, *_ = pair("0", changed(2, lambda r, *_: 2 * r))
    manual.get_submodule("1").fault = changed(0, lambda r, *_: r * 3)
    manual.get_submodule("4").fault = changed(1, lambda r, *_: -r)
    report = compare_gradients(manual, reference, batch()[0])
    assert accused(report) == {"0": ["bias"], "1": ["input"], "4": ["weight"]}


def test_forward_fault_is_told_from_a_backward_fault():
    class WithoutBias(nn.Linear):
        def forward(self, x):
            return F.linear(x, self.weight)

    reference = plain(5, 7, 6, 3)
    manual = copy.deepcopy(reference)
    manual[2] = WithoutBias(7, 6)
    manual[1] = module(straight_through)()
    report = compare_gradients(manual, reference, torch.randn(9, 5))
    assert accused(report) == {"1": ["input"], "2": ["output"]}
    assert verdicts(report)["4"] == "inherited"


def test_module_used_twice():
    class Twice(nn.Module):
        def __init__(self, act):
            super().__init__()
            self.layer, self.act = nn.Linear(4, 4), act

        def forward(self, x):
            return self.layer(self.act(self.layer(x)))

    right = compare_gradients(Twice(nn.ReLU()), Twice(nn.ReLU()), torch.randn(5, 4))
    assert right.passed
    wrong = compare_gradients(
        Twice(module(straight_through)()), Twice(nn.ReLU()), torch.randn(5, 4)
    )
    assert accused(wrong) == {"act": ["input"]}


class TestKinks:
    def test_another_subgradient_is_no_fault(self):
        manual = nn.Sequential(nn.Linear(3, 4), module(one_at_zero)())
        reference = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        report = compare_gradients(manual, reference, torch.randn(5, 3))
        assert report.passed
        assert report.verdict == "another subgradient"
        strict = compare_gradients(manual, reference, torch.randn(5, 3), strict=True)
        assert accused(strict) == {"1": ["input"]}
        assert strict.originators[0].faults[0].input == "rounded"

    def test_ties_of_a_maximum(self):
        def last_of_the_largest(g, x):
            index = x.shape[1] - 1 - x.flip(1).argmax(1, keepdim=True)
            return torch.zeros_like(x).scatter(1, index, g)

        largest = by_hand(lambda x: x.max(1, keepdim=True).values, last_of_the_largest)
        reference = lambda x: x.max(1, keepdim=True).values  # noqa: E731
        assert compare_gradients(largest, reference, torch.randn(6, 5)).passed
        assert not compare_gradients(largest, reference, torch.randn(6, 5), strict=True).passed

    def test_no_subgradient(self):
        twice = by_hand(
            torch.relu, lambda g, z: torch.where(z < 0, 0, torch.where(z > 0, g, 5 * g))
        )
        report = compare_gradients(twice, torch.relu, torch.randn(6, 5))
        assert report.originators[0].faults[0].input == "rounded"


def test_gradient_left_over_from_the_last_backward():
    class Stale(torch.autograd.Function):
        last = None

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.tanh()

        @staticmethod
        def backward(ctx, g):
            right = g * (1 - ctx.saved_tensors[0].tanh() ** 2)
            last, Stale.last = Stale.last, right
            return right if last is None or last.shape != right.shape else last

    manual = nn.Sequential(nn.Linear(3, 4), module(Stale.apply)())
    reference = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    assert list(accused(compare_gradients(manual, reference, torch.randn(5, 3)))) == ["1"]


@pytest.mark.parametrize("dtype", some([torch.bfloat16], [torch.bfloat16, torch.float16]))
def test_rounding_that_the_layers_make_larger_is_no_fault(dtype):
    class Recomputed(nn.Linear):
        """Rounds otherwise: the product in halves."""

        def forward(self, x):
            left, right = x.split(x.shape[1] // 2, 1)
            w_left, w_right = self.weight.split(x.shape[1] // 2, 1)
            return left @ w_left.T + right @ w_right.T + self.bias

    for seed in range(2):
        torch.manual_seed(seed)
        reference = plain(32, 32, 32, 32, 32, 10).to(dtype)
        manual = copy.deepcopy(reference)
        for layer in manual:
            if isinstance(layer, nn.Linear):
                layer.__class__ = Recomputed
        report = compare_gradients(manual, reference, torch.randn(64, 32).to(dtype))
        assert not report.failures, str(report)


def test_layer_that_raises_is_named():
    def out_of_range(g, x):
        raise IndexError("out of range")

    reference = plain(3, 4, 2)
    manual = copy.deepcopy(reference)
    manual[1] = module(by_hand(torch.relu, out_of_range))()
    report = compare_gradients(manual, reference, torch.randn(5, 3))
    assert list(accused(report)) == ["1"]
    assert "IndexError: out of range" in str(report)


def test_gradient_of_an_impossible_shape_is_seen():
    transposed = by_hand(F.linear, lambda g, x, w, b: (g @ w, x.T @ g, g.sum(0)))

    class Transposed(nn.Linear):
        def forward(self, x):
            return transposed(x, self.weight, self.bias)

    reference = plain(3, 4, 2)
    manual = copy.deepcopy(reference)
    manual[0].__class__ = Transposed
    report = compare_gradients(manual, reference, torch.randn(5, 3))
    assert accused(report) == {"0": ["weight"]}


def test_nobody_is_to_blame_where_the_reference_is_nan():
    """√0 has an infinite slope, and 0 · ∞ is what autograd makes of it."""

    def root(x):
        return (x * x.sign().abs()).sqrt() + x

    manual = by_hand(root, lambda g, x: g * torch.where(x > 0, 0.5 * x.rsqrt() + 1, 1.0))
    report = compare_gradients(manual, root, torch.tensor([0.0, 1.0, 2.0]))
    assert not report.passed
    assert not report.originators
    assert "reference is NaN" in str(report)
