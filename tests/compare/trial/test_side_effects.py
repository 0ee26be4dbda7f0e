"""What a forward or a backward writes over, past autograd's version counter."""

from typing import ClassVar

import pytest
import torch
from torch import nn

from compare import compare_gradients
from tests.compare.by_hand import by_hand, module


class Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        a = x.tanh()
        ctx.save_for_backward(x, a)
        return a

    @staticmethod
    def backward(ctx, g):
        return g * (1 - ctx.saved_tensors[1] ** 2)


class OverIncoming(Tanh):
    @staticmethod
    def backward(ctx, g):
        found = Tanh.backward(ctx, g)
        if g.is_contiguous():
            g.data.zero_()
        return found


class OverOutput(Tanh):
    @staticmethod
    def backward(ctx, g):
        found = Tanh.backward(ctx, g)
        ctx.saved_tensors[1].data.copy_(found)
        return found


class OverInputInForward(Tanh):
    @staticmethod
    def forward(ctx, x):
        a = Tanh.forward(ctx, x)
        x.data.add_(1)
        return a


class OverInputInBackward(Tanh):
    @staticmethod
    def backward(ctx, g):
        found = Tanh.backward(ctx, g)
        ctx.saved_tensors[0].data.zero_()
        return found


class OverScratch(Tanh):
    @staticmethod
    def forward(ctx, x):
        ctx.a = x.tanh()
        return ctx.a.clone()

    @staticmethod
    def backward(ctx, g):
        ctx.a.square_()
        return g * (1 - ctx.a)


class OneBuffer(torch.autograd.Function):
    """Each call's output is kept in the same memory."""

    buffers: ClassVar[dict[tuple[torch.Size, torch.dtype], torch.Tensor]] = {}

    @staticmethod
    def forward(ctx, x):
        key = x.shape, x.dtype
        ctx.a = OneBuffer.buffers.setdefault(key, torch.empty_like(x))
        ctx.a.data.copy_(x.tanh())
        return ctx.a.clone()

    @staticmethod
    def backward(ctx, g):
        return g * (1 - ctx.a**2)


WRITERS = [
    (OverIncoming, "the incoming gradient", "its backward overwrites the incoming gradient"),
    (OverOutput, "its output", "its backward overwrites its output"),
    (OverInputInForward, "input", "its forward overwrites its input without telling autograd"),
    (OverInputInBackward, "input", "its backward overwrites its input"),
    (OneBuffer, "what it saved", "calling it again overwrites what the first call saved"),
    (OverScratch, "what it saved", "a second backward on the same graph gives other gradients"),
]


def network(activation):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 7), activation, nn.Linear(7, 3))


@pytest.mark.parametrize(("function", "what", "said"), WRITERS)
def test_alone(function, what, said):
    report = compare_gradients(function.apply, torch.tanh, torch.randn(6, 5))
    [layer] = report.originators
    [fault] = layer.faults
    assert fault.gradient == what
    assert fault.diagnosis.sentence.startswith(said)


@pytest.mark.parametrize(("function", "what", "said"), WRITERS)
def test_in_a_network_the_layer_is_named(function, what, said):
    manual = network(module(function.apply)())
    report = compare_gradients(manual, network(nn.Tanh()), torch.randn(6, 5))
    assert [layer.name for layer in report.originators] == ["1"]
    assert [fault.gradient for fault in report.originators[0].faults] == [what]


class Once(Tanh):
    @staticmethod
    def backward(ctx, g):
        if hasattr(ctx, "done"):
            raise RuntimeError("once only")
        ctx.done = True
        return Tanh.backward(ctx, g)


def test_a_second_backward_that_is_refused_is_no_fault():
    report = compare_gradients(Once.apply, torch.tanh, torch.randn(6, 5))
    assert report.passed
    assert "a second backward on the same graph raised RuntimeError: once only" in str(report)


def test_over_a_weight():
    def backward(g, x, w):
        found = g @ w, g.T @ x
        w.data.mul_(0.5)
        return found

    class Linear(nn.Linear):
        def forward(self, x):
            return by_hand(lambda x, w: x @ w.T, backward)(x, self.weight)

    def one(layer):
        return nn.Sequential(layer(5, 4, bias=False), nn.Tanh())

    report = compare_gradients(one(Linear), one(nn.Linear), torch.randn(6, 5))
    [layer] = report.originators
    assert [(f.gradient, f.diagnosis.sentence) for f in layer.faults] == [
        ("weight", "its backward overwrites weight")
    ]


def test_in_the_mode_that_is_not_the_models():
    class InEvaluation(nn.Module):
        def forward(self, x):
            a = x.tanh()
            if not self.training:
                x.data.zero_()
            return a

    report = compare_gradients(network(InEvaluation()), network(nn.Tanh()), torch.randn(6, 5))
    [layer] = report.originators
    [fault] = layer.faults
    assert (fault.gradient, fault.input) == ("input", "evaluation mode")


def test_in_place_as_the_reference_and_as_autograd_knows_it_passes():
    x = torch.randn(6, 5)
    assert compare_gradients(network(nn.ReLU(inplace=True)), network(nn.ReLU()), x).passed


def test_what_autograd_sums_up_is_right_and_costs_memory():
    class Summed(nn.Linear):
        def forward(self, x):
            backward = lambda g, x, w, b: (g @ w, g.T @ x, g)  # noqa: E731
            forward = torch.nn.functional.linear
            return by_hand(forward, backward)(x, self.weight, self.bias)

    report = compare_gradients(Summed(5, 4), nn.Linear(5, 4), torch.randn(6, 5))
    assert report.passed
    [layer] = report.layers
    assert "returned as (6, 4), and autograd sums it to (4,)" in layer.remark
    assert "80 bytes more" in layer.remark  # 24 − 4 numbers of 4 bytes


class Times(torch.autograd.Function):
    """x times a number that is learned, and one that is not."""

    @staticmethod
    def forward(ctx, constant, x, scale):
        ctx.constant = constant
        ctx.save_for_backward(x, scale)
        return constant * scale * x

    @staticmethod
    def backward(ctx, g):
        x, scale = ctx.saved_tensors
        return None, ctx.constant * scale * g, ctx.constant * x * g


def test_what_autograd_sums_up_beside_other_layers():
    class Scaled(nn.Module):
        def __init__(self, times):
            super().__init__()
            self.times, self.inner = times, nn.Linear(5, 4)
            self.scale = nn.Parameter(torch.tensor(1.5))

        def forward(self, x):
            return self.inner(self.times(3.0, x, self.scale)).tanh()

    manual, reference = Scaled(Times.apply), Scaled(lambda c, x, s: c * s * x)
    report = compare_gradients(manual, reference, torch.randn(6, 5))
    assert report.passed
    [remark] = [layer.remark for layer in report.layers if layer.remark]
    assert "the scale gradient is returned as (6, 5), and autograd sums it to ()" in remark
    assert "116 bytes more" in remark  # 30 − 1 numbers of 4 bytes


def test_a_number_for_a_whole_tensor():
    class Scale(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.factor, self.function = nn.Parameter(torch.tensor(2.0)), function

        def forward(self, x):
            return self.function(x, self.factor)

    by_autograd = by_hand(torch.mul, lambda g, x, s: (g * s, g * x))
    report = compare_gradients(Scale(by_autograd), Scale(torch.mul), torch.randn(6, 5))
    assert report.passed
    assert "autograd sums it to ()" in report.layers[0].remark


@pytest.mark.parametrize(
    "when",
    [lambda g: not g.is_contiguous() and 0 not in g.stride(), lambda g: g.shape[0] == 1],
    ids=["another layout", "one sample"],
)
def test_over_an_incoming_gradient_in_some_settings_alone(when):
    def backward(g, x):
        found = g * (1 - x.tanh() ** 2)
        if when(g):
            g.data.copy_(found)
        return found

    report = compare_gradients(by_hand(torch.tanh, backward), torch.tanh, torch.randn(6, 5))
    [layer] = report.originators
    assert [fault.gradient for fault in layer.faults] == ["the incoming gradient"]
