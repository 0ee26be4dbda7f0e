"""Where a dtype ends: what lies beyond it is no wrong formula, and hides none."""

import math

import pytest
import torch
from torch.nn import functional as F

from compare import compare_gradients
from compare.verdict.judge import LESS_ACCURATE, NO_TRUTH
from tests.compare.by_hand import by_hand


def cubed_deviation(factor=1.0):
    """Layer normalization with 1/σ³ in its backward: no float16 below σ = 0.025."""

    def backward(g, x):
        d = x - x.mean(-1, keepdim=True)
        variance = (d * d).mean(-1, keepdim=True) + 1e-5
        centred = g - g.mean(-1, keepdim=True)
        back = (g * d).mean(-1, keepdim=True) * (1 / (variance * variance.sqrt())) * d
        return factor * (centred / variance.sqrt() - back)

    return by_hand(lambda x: F.layer_norm(x, x.shape[-1:]), backward)


def reference(x):
    return F.layer_norm(x, x.shape[-1:])


def small(factor):
    return torch.randn(5, 8, generator=torch.Generator().manual_seed(0)).half() * factor


@pytest.mark.parametrize("factor", [1.0, 1.03])
def test_an_overflow_of_float16_hides_no_factor(factor):
    report = compare_gradients(cubed_deviation(factor), reference, small(1e-3))
    assert report.passed == (factor == 1.0)
    assert factor != 1.0 or report.verdict == LESS_ACCURATE
    assert factor != 1.0 or "too large or too small for float16" in str(report)


def test_a_formula_that_loses_the_1_beside_large_numbers_is_less_accurate():
    def swish(g, z):
        a, σ = z * z.sigmoid(), z.sigmoid()
        return g * (a + σ * (1 - a))

    z = torch.linspace(100, 999, 40).bfloat16()
    report = compare_gradients(by_hand(F.silu, swish), F.silu, z, layers=False)
    assert report.verdict == LESS_ACCURATE
    off = by_hand(F.silu, lambda g, z: 1.02 * swish(g, z))
    assert not compare_gradients(off, F.silu, z, layers=False).passed


def test_overflow_is_a_fault_on_numbers_of_ordinary_size():
    squared = by_hand(torch.clone, lambda g, x: g * (300 * x) ** 2 / (300 * x) ** 2)
    assert not compare_gradients(squared, torch.clone, small(1).sign().half()).passed


def test_underflow_of_float16_is_less_accurate():
    def backward(g, x, w):
        grad_x, grad_w = torch.zeros_like(x), torch.zeros_like(w)
        for j in range(len(w)):
            grad_x += g[:, j, None] * w[j]
            grad_w[j] = (g[:, j, None] * x).sum(0)
        return grad_x, grad_w

    x, w = small(1), small(1)[:, :8].repeat(8, 1) * 1e-7
    report = compare_gradients(by_hand(lambda x, w: x @ w.T, backward), lambda x, w: x @ w.T, x, w)
    assert report.passed, str(report)


def test_ties_that_the_dtype_makes_are_ill_conditioned():
    """Scores near 10⁶ lie 4,096 apart in bfloat16."""

    def backward(g, q, k, v):
        p = (q @ k.mT / math.sqrt(8)).softmax(-1)
        delta = p * (g @ v.mT - (g * (p @ v)).sum(-1, keepdim=True)) / math.sqrt(8)
        return delta @ k, delta.mT @ q, p.mT @ g

    torch.manual_seed(0)
    qkv = [torch.randn(2, 9, 8).bfloat16() * 1e3 for _ in range(3)]
    attention = F.scaled_dot_product_attention
    report = compare_gradients(by_hand(attention, backward), attention, *qkv, layers=False)
    assert report.verdict == LESS_ACCURATE


def test_where_the_reference_overflows_nobody_knows():
    report = compare_gradients(
        lambda x: F.softplus(x).sum(), lambda x: x.exp().log1p().sum(), torch.tensor([1e3, 1.0])
    )
    assert not report.passed
    assert report.verdict == NO_TRUTH
    assert report.originators == []
    assert "not judged" in report.summary()


def test_a_pole_is_no_overflow():
    clipped = by_hand(torch.sqrt, lambda g, x: g / (2 * x.sqrt() + 1e-3))
    report = compare_gradients(clipped, torch.sqrt, torch.tensor([0.0, 1.0]))
    assert report.verdict == "bug"
