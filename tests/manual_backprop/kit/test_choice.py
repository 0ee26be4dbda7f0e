"""``choice.where`` is ``torch.where``, bit for bit, also where arithmetic has no answer."""

import pytest
import torch
from torch.autograd import forward_ad

from manual_backprop.kit.choice import where

INTEGERS = {
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}
NUMBERS = (0.0, -0.0, 1.5, -2.0, 6e4, -6e4, 1e-7, float("inf"), float("-inf"), float("nan"))


def bits(t):
    return t.view(INTEGERS[t.dtype])


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("choice", [True, False])
def test_any_two_numbers(dtype, choice):
    numbers = torch.tensor(NUMBERS, dtype=dtype)
    x, y = numbers.unsqueeze(1).expand(10, 10).clone(), numbers.expand(10, 10).clone()
    c = torch.full((10, 10), choice)
    assert torch.equal(bits(where(c, x, y)), bits(torch.where(c, x, y)))
    assert torch.equal(bits(where(c, x, 0)), bits(torch.where(c, x, 0)))


def test_shapes_broadcast():
    c = torch.tensor([[True], [False]])
    x, y = torch.arange(6.0).view(2, 3).T.contiguous().T, torch.tensor([7.0, 8.0, 9.0])
    expected = torch.tensor([[0.0, 1.0, 2.0], [7.0, 8.0, 9.0]])
    assert torch.equal(where(c, x, y), expected)
    assert torch.equal(where(c, y, 0), torch.tensor([[7.0, 8.0, 9.0], [0.0, 0.0, 0.0]]))
    assert torch.equal(where(c.expand(2, 3), x, y), expected)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (torch.ones(2), 0.5),
        (torch.ones(2), 5),
        (torch.ones(2), -0.0),
        (torch.ones(2), torch.ones(2, dtype=torch.float64)),
        (torch.ones(2, dtype=torch.int64), 0),
    ],
    ids=["a number", "an integer", "minus 0", "two types", "integers"],
)
def test_what_goes_the_slower_way(x, y):
    c = torch.tensor([True, False])
    chosen = where(c, x, y)
    assert torch.equal(chosen, torch.where(c, x, y))
    assert torch.equal(chosen.signbit(), torch.where(c, x, y).signbit())
    assert chosen.dtype == torch.where(c, x, y).dtype


def test_a_condition_is_boolean():
    with pytest.raises(RuntimeError, match="boolean"):
        where(torch.ones(2, dtype=torch.int32), torch.ones(2), 0)


def test_differentiable():
    c = torch.tensor([True, False, True])
    x, y = (torch.rand(3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x, y: where(c, x, y), (x, y))
    (slope,) = torch.autograd.grad(where(c, torch.ones(3, dtype=torch.float64), y).sum(), y)
    assert slope.tolist() == [0, 1, 0]


def test_vmap():
    c, x = torch.tensor([[True, False], [False, True]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert torch.vmap(lambda c, x: where(c, x, 0))(c, x).tolist() == [[1, 0], [0, 4]]


def test_tangents_are_chosen_too():
    c, x, tangent = torch.tensor([True, False]), torch.ones(2), torch.tensor([3.0, 4.0])
    of_rows = torch.vmap(lambda x: where(c, x, 0))
    _, chosen = torch.func.jvp(of_rows, (x.view(1, 2),), (tangent.view(1, 2),))
    assert chosen.tolist() == [[3, 0]]
    with forward_ad.dual_level():
        chosen = where(c, forward_ad.make_dual(x, tangent), 0)
        assert forward_ad.unpack_dual(chosen).tangent.tolist() == [3, 0]
