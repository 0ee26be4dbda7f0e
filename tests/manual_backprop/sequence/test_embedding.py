import pytest
import torch

from compare.catalogue.values import classes, normal
from manual_backprop import functional
from tests.manual_backprop.cases import SPECIAL
from tests.manual_backprop.checks import (
    CHECKS,
    check_forward_mode,
    check_gradcheck,
)
from tests.manual_backprop.every_case import check_compiled, check_each

#: Where the gradient is not the derivative of the forward.
OPTIONS = [
    case
    for case in SPECIAL
    if case.name.startswith("embedding") and case.given.options and case.given.arguments[0].numel()
]


# Under vmap PyTorch runs its embedding_bag sample by sample, and says so.
@pytest.mark.filterwarnings("ignore:There is a performance drop .*embedding_bag:UserWarning")
@pytest.mark.parametrize(
    "check",
    [c for c in CHECKS if c not in (check_gradcheck, check_forward_mode)],
    ids=lambda check: check.__name__.removeprefix("check_"),
)
def test_options(check):
    check_each(check, OPTIONS)


@pytest.mark.exhaustive
def test_options_compiled():
    check_compiled(OPTIONS)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[7, 9], [3, 4], [0, 0]]),
        ({"padding_idx": 0}, [[0, 0], [3, 4], [0, 0]]),
        ({"padding_idx": -2}, [[7, 9], [0, 0], [0, 0]]),
        ({"scale_grad_by_freq": True}, [[3.5, 4.5], [3, 4], [0, 0]]),
    ],
)
def test_by_hand(options, expected):
    W = torch.tensor([[1.0, 2], [3, 4], [5, 6]], requires_grad=True)
    y = functional.embedding(torch.tensor([0, 1, 0]), W, **options)
    assert y.tolist() == [[1, 2], [3, 4], [1, 2]]
    y.backward(torch.tensor([[1.0, 2], [3, 4], [6, 7]]))
    assert W.grad.tolist() == expected


def test_the_padding_row_has_no_gradient_under_an_infinite_one():
    W = normal(3, 2).requires_grad_()
    y = functional.embedding(torch.tensor([0, 1]), W, padding_idx=1)
    (grad,) = torch.autograd.grad(y, W, torch.tensor([[1.0, 2], [torch.inf, torch.nan]]).double())
    assert grad.tolist() == [[1, 2], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("error", "says", "options"),
    [
        (ValueError, "max_norm", {"max_norm": 1.0}),
        (ValueError, "sparse", {"sparse": True}),
        (ValueError, "one of the 4 rows, got 4", {"padding_idx": 4}),
        (ValueError, "one of the 4 rows, got -5", {"padding_idx": -5}),
        (ValueError, r"weight \(rows, features\), got .* \(4,\)", {"weight": normal(4)}),
        (TypeError, "int64 or int32, got torch.float64", {"input": normal(3)}),
        (IndexError, "out of range", {"input": torch.tensor([4])}),
    ],
)
def test_bad_input(error, says, options):
    arguments = {"input": classes(3, of=4), "weight": normal(4, 2), **options}
    with pytest.raises(error, match=says):
        functional.embedding(**arguments)
