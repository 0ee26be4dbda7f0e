import copy

import pytest
import torch
from torch import nn

import manual_backprop
from compare.catalogue.values import normal
from manual_backprop import functional


def test_by_hand():
    # μ = 0, v = 1, ρ = 1/√(1 + 3) = ½
    x = torch.tensor([[-1.0], [1], [-1], [1]], requires_grad=True)
    w, b = torch.tensor([2.0], requires_grad=True), torch.tensor([5.0], requires_grad=True)
    y = functional.batch_norm(x, None, None, w, b, training=True, eps=3)
    assert y.tolist() == [[4], [6], [4], [6]]
    y.backward(torch.tensor([[8.0], [0], [0], [0]]))
    assert x.grad.tolist() == [[5.5], [-1.5], [-2.5], [-1.5]]
    assert w.grad.tolist() == [-4]
    assert b.grad.tolist() == [8]


def test_evaluation_by_hand():
    x = torch.tensor([[3.0], [5]], requires_grad=True)
    w = torch.tensor([6.0], requires_grad=True)
    μ, v = torch.tensor([1.0]), torch.tensor([4.0])
    y = functional.batch_norm(x, μ, v, w, eps=5)
    assert y.tolist() == [[4], [8]]
    y.backward(torch.tensor([[1.0], [3]]))
    assert x.grad.tolist() == [[2], [6]]
    torch.testing.assert_close(w.grad, torch.tensor([14 / 3]))
    assert (μ.item(), v.item()) == (1, 4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    "options", [{}, {"momentum": None}, {"momentum": 0.7}, {"affine": False}], ids=str
)
def test_running_statistics_are_those_of_torch_bit_for_bit(options, dtype):
    twins = [layers.BatchNorm2d(3, **options, dtype=dtype) for layers in (manual_backprop, nn)]
    for step in range(5):
        x = 3 * normal(4, 3, 5, 2, seed=step).to(dtype) + step
        outputs = [twin(x) for twin in twins]
        assert torch.equal(*outputs)
    for twin in twins:
        twin.eval()
    assert torch.equal(twins[0](x), twins[1](x))
    for ours, theirs in zip(*(twin.buffers() for twin in twins), strict=True):
        assert torch.equal(ours, theirs)
    assert twins[0].num_batches_tracked == 5


def test_running_statistics_are_left_alone_where_they_are_not_tracked():
    layer = manual_backprop.BatchNorm1d(3)
    before = copy.deepcopy(layer.state_dict())
    layer.eval()(torch.randn(5, 3))
    layer.train().track_running_stats = False
    layer(torch.randn(5, 3))
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name])


def test_without_running_statistics_evaluation_takes_those_of_the_batch():
    x = normal(6, 3)
    layer = manual_backprop.BatchNorm1d(3, track_running_stats=False, dtype=torch.float64)
    trained = layer(x)
    assert torch.equal(layer.eval()(x), trained)


def test_channels_last_stay_so():
    x = normal(2, 3, 4, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = manual_backprop.BatchNorm2d(3, dtype=torch.float64)(x)
    (grad,) = torch.autograd.grad(y, x, normal(2, 3, 4, 5, seed=1))
    assert y.is_contiguous(memory_format=torch.channels_last)
    expected = nn.BatchNorm2d(3, dtype=torch.float64)(x)
    (right,) = torch.autograd.grad(expected, x, normal(2, 3, 4, 5, seed=1))
    torch.testing.assert_close(grad, right)


def test_half_precision_with_weights_in_float32():
    x = normal(8, 3).bfloat16().requires_grad_()
    layers = [twin(3) for twin in (manual_backprop.BatchNorm1d, nn.BatchNorm1d)]
    outputs = [layer(x) for layer in layers]
    assert torch.equal(*outputs)
    assert outputs[0].dtype == torch.bfloat16
    grads = [
        torch.autograd.grad(y, [x, *layer.parameters()], normal(8, 3, seed=1).bfloat16())
        for layer, y in zip(layers, outputs, strict=True)
    ]
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("error", "says", "call"),
    [
        (ValueError, r"\(N, C, …\), got \(3,\)", lambda f: f(normal(3), None, None, training=True)),
        (ValueError, "more than one", lambda f: f(normal(1, 3), None, None, training=True)),
        (ValueError, r"weight \(3,\)", lambda f: f(normal(2, 3), None, None, normal(2))),
        (ValueError, "to evaluate with", lambda f: f(normal(2, 3), None, None)),
        (ValueError, "or neither", lambda f: f(normal(2, 3), normal(3), None)),
        (ValueError, "eps", lambda f: f(normal(2, 3), None, None, training=True, eps=0)),
        (
            RuntimeError,
            "must not require a gradient",
            lambda f: f(normal(2, 3), normal(3).requires_grad_(), normal(3)),
        ),
    ],
)
def test_bad_input(error, says, call):
    with pytest.raises(error, match=says) as caught:
        call(functional.batch_norm)
    assert "\n" not in str(caught.value)


@pytest.mark.gpu
def test_running_statistics_on_a_gpu():
    twins = [layers.BatchNorm2d(3, device="cuda") for layers in (manual_backprop, nn)]
    for step in range(3):
        x = normal(4, 3, 5, 2, seed=step).float().cuda()
        torch.testing.assert_close(twins[0](x), twins[1](x))
    torch.testing.assert_close(list(twins[0].buffers()), list(twins[1].buffers()))
