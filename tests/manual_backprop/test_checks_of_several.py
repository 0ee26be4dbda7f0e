"""The checks on a function of tuples, integers and a buffer, with a random mask and two outputs.

    a = m ⊙ x[i]        b = w ⊙ x        and max b, an index        m random, drawn by the forward

It adds 1 to the buffer that it is given.
"""

import pytest
import torch

from compare.catalogue.entry import Entry, call
from compare.catalogue.values import normal
from manual_backprop.kit.function import Function
from tests.manual_backprop import checks
from tests.manual_backprop.cases import Case


class SeveralFunction(Function):
    @staticmethod
    def forward(x, w, i, m):
        return m * x[i], w * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g, h):
        x, w, i, m = ctx.saved_tensors
        grad_x = grad_w = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.zeros_like(x).index_add(0, i, m * g) + w * h
        if ctx.needs_input_grad[1]:
            grad_w = x * h
        return grad_x, grad_w, None, None


def drawn(x, i):
    return torch.bernoulli(torch.full_like(x[i], 0.8))


def several(tensors, i, buffer):
    x, w = tensors
    buffer.add_(1)
    a, b = SeveralFunction.apply(x, w, i, drawn(x.detach(), i))
    return a, (b, b.argmax())


def reference(tensors, i, buffer):
    x, w = tensors
    buffer.add_(1)
    b = w * x
    return drawn(x.detach(), i) * x[i], (b, b.argmax())


def case(function=several):
    given = call(
        (normal(4, 3), normal(4, 3, seed=1)), torch.tensor([0, 2, 2]), normal(2), constants=(2,)
    )
    return Case(Entry(None, function, [given], twin_function=reference), given)


# Ours keeps i twice, for want of knowing it.
CHECKS = [check for check in checks.CHECKS if check is not checks.check_saved_bytes]


@pytest.mark.parametrize("check", [*CHECKS, checks.check_special_values])
def test_passes(check):
    check(case())


def wrong(monkeypatch, **changes):
    """The backward with some of its gradients changed: ``grad_x=lambda x, w, i, m, g, h: …``."""
    right = SeveralFunction.backward

    def backward(ctx, g, h):
        grads = list(right(ctx, g, h))
        for place, name in enumerate(("grad_x", "grad_w")):
            if name in changes and grads[place] is not None:
                grads[place] = changes[name](*ctx.saved_tensors, g, h)
        return tuple(grads)

    monkeypatch.setattr(SeveralFunction, "backward", staticmethod(backward))


@pytest.mark.parametrize("check", [checks.check_like_torch, checks.check_gradcheck])
@pytest.mark.parametrize(
    "changes",
    [
        {"grad_w": lambda x, w, i, m, g, h: x * h * 2},
        {"grad_x": lambda x, w, i, m, g, h: torch.zeros_like(x).index_add(0, i, m * g)},
        {"grad_x": lambda x, w, i, m, g, h: torch.zeros_like(x).index_add(0, i, g) + w * h},
        {"grad_x": lambda x, w, i, m, g, h: torch.zeros_like(x).index_copy(0, i, m * g) + w * h},
    ],
    ids=["second tensor", "second output", "mask forgotten", "twice counts once"],
)
def test_a_wrong_gradient_is_found(monkeypatch, check, changes):
    wrong(monkeypatch, **changes)
    with pytest.raises((AssertionError, RuntimeError)):
        check(case())


def without_the_buffer(tensors, i, buffer):
    return several(tensors, i, buffer.clone())


def with_another_index(tensors, i, buffer):
    a, (b, best) = several(tensors, i, buffer)
    return a, (b, best + 1)


def with_another_mask(tensors, i, buffer):
    torch.rand(1)
    return several(tensors, i, buffer)


@pytest.mark.parametrize("function", [without_the_buffer, with_another_index, with_another_mask])
def test_a_wrong_forward_is_found(function):
    with pytest.raises(AssertionError):
        checks.check_like_torch(case(function))
