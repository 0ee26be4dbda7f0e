"""What is wrong beside a kink, at one, or where several are tied."""

import pytest
import torch
from torch import nn

from compare import compare_gradients
from compare.catalogue import specimens
from compare.trial.cotangents import random
from tests.compare.by_hand import by_hand, module, only_fault


def test_beside_a_kink():
    for host in (lambda f: f, lambda f: nn.Sequential(nn.Linear(5, 5), module(f)())):
        torch.manual_seed(0)
        manual = host(by_hand(torch.relu, lambda g, x: g * (x > -1e-3)))
        torch.manual_seed(0)
        assert only_fault(manual, host(torch.relu), torch.randn(6, 5)).input == "next to kinks"


def test_beside_a_kink_that_is_not_at_zero():
    manual = by_hand(nn.functional.hardtanh, lambda g, x: g * (x.abs() < 1 + 1e-4))
    assert only_fault(manual, nn.functional.hardtanh, torch.randn(9, 8)).input == "next to kinks"


def row_maximum(x):
    return x.amax(1, keepdim=True)


def tied(x):
    return (x == x.amax(1, keepdim=True)).to(x.dtype)


@pytest.mark.parametrize(
    ("formula", "right"),
    [
        (lambda g, x: g * tied(x) * (tied(x).sum(1, True) == 1), False),  # nothing
        (lambda g, x: g * tied(x), False),  # all of it to each
        (lambda g, x: g * tied(x) / tied(x).sum(1, True), True),  # shared
        (lambda g, x: g * (tied(x).cumsum(1) == 1) * tied(x), True),  # to the first
    ],
    ids=["nothing", "all", "shared", "first"],
)
def test_ties(formula, right):
    report = compare_gradients(by_hand(row_maximum, formula), row_maximum, torch.randn(6, 5))
    assert report.passed is right
    if not right:
        [fault] = report.originators[0].faults
        assert str(fault.diagnosis.mistake) == "no subgradient"


def test_a_slope_beyond_those_on_both_sides():
    manual = by_hand(torch.relu, lambda g, x: torch.where(x == 0, 1.4 * g, g * (x > 0)))
    assert not compare_gradients(manual, torch.relu, torch.randn(6, 5)).passed


@pytest.mark.parametrize(
    ("formula", "right"),
    [
        (lambda g, x, y: (g * (x >= y), g * (y >= x)), False),  # both
        (lambda g, x, y: (g * (x > y), g * (y > x)), False),  # none
        (lambda g, x, y: (g * (x >= y), g * (y > x)), True),  # the first
    ],
    ids=["both", "none", "first"],
)
def test_ties_of_two_tensors(formula, right):
    inputs = torch.randn(6, 5), torch.randn(6, 5)
    manual = by_hand(torch.maximum, formula)
    assert compare_gradients(manual, torch.maximum, *inputs).passed is right


def test_a_slope_that_only_the_middle_would_excuse():
    manual = by_hand(torch.abs, lambda g, x: g * torch.where(x == 0, 2.0, x.sign()))
    assert not compare_gradients(manual, torch.abs, torch.randn(6, 5)).passed


def test_many_ties_are_looked_at_longer():
    def sorted_backward(g, x):
        return torch.zeros_like(x).scatter(1, x.argsort(1, descending=True)[:, :3], g)

    def largest(x):
        return x.topk(3, 1).values

    for seed in range(2):
        torch.manual_seed(seed)
        x = torch.where(torch.rand(4, 9) < 0.7, 30.0, torch.randn(4, 9))
        report = compare_gradients(by_hand(largest, sorted_backward), largest, x, seed=seed)
        assert report.passed, str(report)


def test_what_float64_leaves_of_terms_that_cancel_is_no_kink():
    """No bias of the keys changes an attention, and at scores near 10⁶ its gradient is noise."""
    [specimen] = [one for one in specimens() if one.name == "Attention: PyTorch's own"]
    question = specimen.build()
    x = 1e3 * torch.randn(2, 131, 11, generator=torch.Generator().manual_seed(2)).double()
    report = compare_gradients(
        question.manual.double(),
        question.reference.double(),
        x,
        mapping=question.mapping,
        cotangents={"random": random},
        layers=False,
        seed=2,
    )
    assert report.passed, str(report)
