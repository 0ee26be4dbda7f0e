"""Convolutions of small integers, by hand, and what is special about them."""

import itertools

import pytest
import torch

import manual_backprop
from compare.catalogue.values import normal
from manual_backprop import functional
from tests.manual_backprop.calls import close


def test_conv1d_by_hand():
    x = torch.tensor([[[1.0, 2, 3, 4]]], requires_grad=True)
    W = torch.tensor([[[1.0, -1]]], requires_grad=True)
    b = torch.tensor([10.0], requires_grad=True)
    y = functional.conv1d(x, W, b)
    assert y.tolist() == [[[9, 9, 9]]]
    y.backward(torch.tensor([[[1.0, 2, 3]]]))
    assert x.grad.tolist() == [[[1, 1, 1, -3]]]  # δ_i − δ_{i−1}
    assert W.grad.tolist() == [[[14, 20]]]  # Σ_t δ_t x_t and Σ_t δ_t x_{t+1}
    assert b.grad.tolist() == [6]


def test_strides_leave_the_end_without_a_gradient():
    x = torch.tensor([[[1.0, 2, 3, 4]]], requires_grad=True)
    W = torch.tensor([[[5.0, 7]]], requires_grad=True)
    y = functional.conv1d(x, W, stride=2, dilation=2)
    assert y.tolist() == [[[26]]]
    y.backward(torch.tensor([[[2.0]]]))
    assert x.grad.tolist() == [[[10, 0, 14, 0]]]
    assert W.grad.tolist() == [[[2, 6]]]


def test_conv2d_by_hand():
    x = torch.tensor([[[[1.0, 2], [3, 4]], [[5, 6], [7, 8]]]], requires_grad=True)
    W = torch.tensor([[[[1.0]], [[2]]], [[[0]], [[-1]]]], requires_grad=True)
    y = functional.conv2d(x, W)
    assert y.tolist() == [[[[11, 14], [17, 20]], [[-5, -6], [-7, -8]]]]
    y.backward(torch.tensor([[[[1.0, 0], [0, 0]], [[0, 0], [0, 1]]]]))
    assert x.grad.tolist() == [[[[1, 0], [0, 0]], [[2, 0], [0, -1]]]]
    assert W.grad.tolist() == [[[[1]], [[5]]], [[[4]], [[8]]]]


def test_a_group_is_a_convolution_of_its_own():
    x, W = normal(3, 4, 5, 6).requires_grad_(), normal(6, 2, 2, 3, seed=1).requires_grad_()
    g = normal(3, 6, 4, 4, seed=2)
    together = torch.autograd.grad(functional.conv2d(x, W, groups=2), (x, W), g)
    for half in (0, 1):
        channels, outputs = slice(2 * half, 2 * half + 2), slice(3 * half, 3 * half + 3)
        y = functional.conv2d(x[:, channels], W[outputs])
        of_x, of_W = torch.autograd.grad(y, (x, W), g[:, outputs])
        close(together[0][:, channels], of_x[:, channels])
        close(together[1][outputs], of_W[outputs])


def test_conv_transpose1d_by_hand():
    x = torch.tensor([[[1.0, 2]]], requires_grad=True)
    W = torch.tensor([[[1.0, 10, 100]]], requires_grad=True)
    b = torch.tensor([0.0], requires_grad=True)
    y = functional.conv_transpose1d(x, W, b, stride=2, output_padding=1)
    assert y.tolist() == [[[1, 10, 102, 20, 200, 0]]]
    y.backward(torch.tensor([[[1.0, 2, 3, 4, 5, 6]]]))
    assert x.grad.tolist() == [[[321, 543]]]
    assert W.grad.tolist() == [[[7, 10, 13]]]  # δ_0 + 2 δ_2, δ_1 + 2 δ_3, δ_2 + 2 δ_4
    assert b.grad.tolist() == [21]


@pytest.mark.parametrize(
    ("stride", "padding", "dilation"), [*itertools.product((1, 2, 3), (0, 2), (1, 2))]
)
def test_the_transposed_convolution_is_the_transpose(stride, padding, dilation):
    """⟨δ, W ⋆ x⟩ = ⟨W ⋆ᵀ δ, x⟩, which is also what the backward says."""
    x, W = normal(2, 3, 7, 8).requires_grad_(), normal(4, 3, 2, 3, seed=1)
    y = functional.conv2d(x, W, None, stride, padding, dilation)
    g = normal(*y.shape, seed=2)
    more = [
        (i + 2 * padding - dilation * (k - 1) - 1) % stride
        for i, k in zip((7, 8), (2, 3), strict=True)
    ]
    transposed = functional.conv_transpose2d(g, W, None, stride, padding, more, 1, dilation)
    close((transposed * x).sum(), (g * y).sum())
    close(transposed, torch.autograd.grad(y, x, g)[0])


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_same_padding_that_cannot_be_halved(dims):
    x, W = normal(2, 3, *(6, 5, 4)[:dims]), normal(4, 3, *(2, 4, 3)[:dims], seed=1)
    g, found = normal(2, 4, *x.shape[2:], seed=2), []
    for functions in (functional, torch.nn.functional):
        leaves = [x.clone().requires_grad_(), W.clone().requires_grad_()]
        y = getattr(functions, f"conv{dims}d")(*leaves, padding="same")
        found.append([y, *torch.autograd.grad(y, leaves, g)])
    for actual, expected in zip(*found, strict=True):
        close(actual, expected)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding_modes_by_hand(mode):
    conv = manual_backprop.Conv1d(1, 1, 1, padding=2, padding_mode=mode, bias=False)
    with torch.no_grad():
        conv.weight.fill_(1)
    x = torch.tensor([[[1.0, 2, 3]]], requires_grad=True)
    values, gradient = {
        "reflect": ([3, 2, 1, 2, 3, 2, 1], [2 + 6, 1 + 3 + 5, 0 + 4]),
        "replicate": ([1, 1, 1, 2, 3, 3, 3], [0 + 1 + 2, 3, 4 + 5 + 6]),
        "circular": ([2, 3, 1, 2, 3, 1, 2], [2 + 5, 0 + 3 + 6, 1 + 4]),
    }[mode]
    y = conv(x)
    assert y.tolist() == [[values]]
    y.backward(torch.arange(7.0).expand(1, 1, 7))
    assert x.grad.tolist() == [[gradient]]


@pytest.mark.parametrize("output_size", [(9, 10), (10, 10), (5, 3, 10, 9)])
def test_output_size(output_size):
    manual = manual_backprop.ConvTranspose2d(2, 3, 3, stride=2, dtype=torch.float64)
    reference = torch.nn.ConvTranspose2d(2, 3, 3, stride=2, dtype=torch.float64)
    reference.load_state_dict(manual.state_dict())
    x = normal(5, 2, 4, 4)
    found, expected = manual(x, list(output_size)), reference(x, list(output_size))
    assert found.shape[2:] == tuple(output_size[-2:])
    g = normal(*found.shape, seed=1)
    for actual, right in zip(
        torch.autograd.grad(found, list(manual.parameters()), g),
        torch.autograd.grad(expected, list(reference.parameters()), g),
        strict=True,
    ):
        close(actual, right)


@pytest.mark.parametrize(
    ("error", "says", "call"),
    [
        (
            ValueError,
            r"conv1d: .* 3 dim.*got \(3,\)",
            lambda f: f.conv1d(normal(3), normal(4, 2, 3)),
        ),
        (
            ValueError,
            r"weight of 4 .*\(4, 2, 3\)",
            lambda f: f.conv2d(normal(2, 5, 5), normal(4, 2, 3)),
        ),
        (ValueError, "'Same'", lambda f: f.conv1d(normal(2, 5), normal(4, 2, 3), padding="Same")),
        (
            ValueError,
            "stride 1",
            lambda f: f.conv1d(normal(2, 5), normal(4, 2, 3), None, 2, "same"),
        ),
        (RuntimeError, "3 channels", lambda f: f.conv1d(normal(3, 5), normal(4, 2, 3))),
        (RuntimeError, "bias", lambda f: f.conv1d(normal(2, 5), normal(4, 2, 3), normal(3))),
        (RuntimeError, "stride", lambda f: f.conv1d(normal(2, 5), normal(4, 2, 3), stride=(1, 1))),
        (
            RuntimeError,
            "output padding",
            lambda f: f.conv_transpose1d(normal(2, 5), normal(2, 4, 3), None, 1, 0, 1),
        ),
        (RuntimeError, "type", lambda f: f.conv1d(normal(2, 5), normal(4, 2, 3).float())),
    ],
)
def test_bad_input(error, says, call):
    with pytest.raises(error, match=says):
        call(functional)


def test_lenet_learns_as_on_torch_nn():
    """The same seed gives the same network, and the same gradients."""

    def gradients(layers):
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            layers.Conv2d(1, 6, 5, padding=2),
            layers.Tanh(),
            layers.AvgPool2d(2),
            layers.Conv2d(6, 16, 5),
            layers.Tanh(),
            layers.MaxPool2d(2),
            layers.Flatten(),
            layers.Linear(400, 120),
            layers.Tanh(),
            layers.Linear(120, 84),
            layers.Tanh(),
            layers.Linear(84, 10),
        ).double()
        x, t = normal(8, 1, 28, 28), torch.arange(8)
        loss = layers.CrossEntropyLoss()(model(x), t)
        return [loss, *torch.autograd.grad(loss, list(model.parameters()))]

    for manual, reference in zip(gradients(manual_backprop), gradients(torch.nn), strict=True):
        close(manual, reference)
