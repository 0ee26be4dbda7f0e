"""Changes of backwards as they are written: in place, with inner functions, over permuted dims."""

import time

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function

from compare import compare_gradients
from compare.comparison import where

SECONDS = 60.0  # the machine may be busy; most are found within one


def change_of(function, reference, *shapes):
    tensors = [torch.randn(shape) for shape in shapes]
    report = compare_gradients(function.apply, reference, *tensors, repair=SECONDS)
    [layer] = report.originators
    return layer.faults[0].repair


class InPlace(Function):
    """Many edits of it write over what was saved, which PyTorch then refuses to unpack."""

    @staticmethod
    def forward(ctx, x: Tensor):
        y = x.softmax(-1)
        ctx.save_for_backward(y, torch.tensor(x.shape[0]))
        return y.log().sum(-1).mean()

    @staticmethod
    def backward(ctx, g):
        y, count = ctx.saved_tensors  # noqa: RUF059  # what is forgotten
        d = y * y.shape[-1]
        d.sub_(1)
        d.mul_(-g)
        return d / 7.0


def test_an_edit_that_writes_in_place_spoils_no_other():
    found = change_of(InPlace, lambda x: x.log_softmax(-1).sum(-1).mean(), (5, 4))
    assert found.new == "return d / count"


class InnerFunction(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x.tanh())
        return x.tanh()

    @staticmethod
    def backward(ctx, g):
        (a,) = ctx.saved_tensors

        def slope(a):
            return 1 + a * a

        return g * slope(a)


def test_a_function_inside_the_backward():
    assert change_of(InnerFunction, torch.tanh, (5, 4)).new == "return 1 - a * a"


class WithoutTheSum(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.softmax(-1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return y * g


def test_what_normalizing_takes_away():
    found = change_of(WithoutTheSum, lambda x: x.softmax(-1), (5, 4))
    assert found.new == "return y * (g - (g * y).sum(-1, keepdim=True))"


class NotPermutedBack(Function):
    @staticmethod
    def forward(ctx, x):
        return x.permute(1, 2, 0).clone()

    @staticmethod
    def backward(ctx, g):
        return g.permute(1, 2, 0)


def test_dims_that_are_not_permuted_back():
    found = change_of(NotPermutedBack, lambda x: x.permute(1, 2, 0), (4, 4, 4))
    assert found.new == "return g.permute(2, 0, 1)"
    assert found.name == "the dims are permuted in the same order, not back"


class OnlySquare(Function):
    """Its backward is not meant for two inputs of different lengths; its forward does not mind."""

    @staticmethod
    def forward(ctx, a, b):
        p = (a @ b.T).softmax(-1)
        ctx.save_for_backward(a, b, p)
        return -p.diagonal().log().mean()

    @staticmethod
    def backward(ctx, g):
        a, b, p = ctx.saved_tensors
        d = g * (p - torch.eye(len(p), dtype=p.dtype)) * len(p)
        return d @ b, d.T @ a


def test_sizes_that_the_backward_is_not_meant_for():
    def reference(a, b):
        return nn.functional.cross_entropy(a @ b.T, torch.arange(len(a)))

    found = change_of(OnlySquare, reference, (4, 3), (4, 3))
    assert found.new == "d = g * (p - torch.eye(len(p), dtype=p.dtype)) / len(p)"
    assert found.only_these_sizes


class SleepsLong(Function):
    @staticmethod
    def forward(ctx, x):
        return x.tanh()

    @staticmethod
    def backward(ctx, g):
        time.sleep(0.02)
        return g.exp().cumsum(0)


def test_it_is_told_that_the_time_was_not_enough():
    start = time.monotonic()
    compare_gradients(SleepsLong.apply, torch.tanh, torch.randn(5, 4), repair=0)
    judged = time.monotonic() - start
    start = time.monotonic()
    report = compare_gradients(SleepsLong.apply, torch.tanh, torch.randn(5, 4), repair=0.5)
    assert time.monotonic() - start < 3 * judged + 3
    [fault] = report.originators[0].faults
    assert fault.out_of_time == 0.5
    [_, said] = where.lines(fault)
    assert said.startswith("the search for a fix ran out of time (0.5 s for each wrong gradient)")
    assert where.as_json(fault)["out_of_time"]


def test_nothing_is_said_of_time_where_all_was_tried():
    report = compare_gradients(InnerFunction.apply, torch.tanh, torch.randn(5, 4), repair=0)
    assert where.out_of_time(report.originators[0].faults[0]) == []


@pytest.mark.parametrize(("text", "refused"), [("b.T", True), ("b.exp()", False)])
def test_a_statement_that_raises_by_itself(text, refused):
    from compare.repair.at_once import AtOnce
    from compare.repair.program import Edit, Editable
    from compare.repair.source import written

    place = written(OnlySquare.backward)
    editable = Editable(place)
    a, b, p, g = torch.randn(4, 3), torch.randn(4, 3), torch.randn(4, 4), torch.tensor(1.0)
    at_once = AtOnce(editable, {"a": a, "b": b, "p": p, "g": g, "d": p})
    start = editable.source.find(b"d @ b") + 4
    assert at_once.cannot_be(Edit(editable, start, start + 1, text, 1.0, "", "")) is refused


class OverSeveralLines(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x.tanh())
        return x.tanh()

    @staticmethod
    def backward(ctx, g):
        (a,) = ctx.saved_tensors
        return (
            g  # from above
            * (
                1  # of the identity
                + a * a
            )
        )


def test_an_expression_over_several_lines():
    assert change_of(OverSeveralLines, torch.tanh, (5, 4)).new.endswith("- a * a")


class WithoutTheProduct(Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w.T

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g @ w, x


def test_a_matrix_product_that_is_lost():
    found = change_of(WithoutTheProduct, lambda x, w: x @ w.T, (5, 4), (3, 4))
    assert found.new == "return g @ w, g.mT @ x"
