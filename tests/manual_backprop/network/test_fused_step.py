"""The fused step is the plain one: same weights and velocities but for rounding."""

import pytest
import torch

from compare.verdict.judge import judge
from manual_backprop import Network
from manual_backprop.activation.table import ACTIVATIONS
from manual_backprop.network.fused_step import FusedStep
from manual_backprop.network.losses import LOSSES

SIZES = (7, 6, 5, 4)


def networks(activation="relu", loss="cross-entropy", dtype=torch.float64, sizes=SIZES):
    """Two with the same weights."""
    return [
        Network(
            sizes,
            activation,
            loss,
            dtype=dtype,
            generator=torch.Generator().manual_seed(1),
        )
        for _ in range(2)
    ]


def batch(m, outputs=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(m)
    x = torch.randn(m, 7, generator=generator, dtype=dtype)
    y = torch.rand(m, outputs, generator=generator, dtype=dtype)
    return x, y / y.sum(1, keepdim=True)


def parameters(network):
    return network.weights + network.biases + network.velocities


@pytest.mark.parametrize("momentum", [(0.0, 1.0), (0.9, 1.0), (0.9, 0.1)])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_same_as_the_plain_step(activation, loss, momentum):
    β, share = momentum
    plain, fused = networks(activation, loss)
    steps = {m: FusedStep(fused, m) for m in (9, 1)}
    for m in (9, 1, 9):  # buffers are used again, and by a smaller batch in between
        x, y = batch(m)
        plain.descend(x, y, 0.3, β, share)
        steps[m](x, y, 0.3, β, share)
    for ours, theirs in zip(parameters(fused), parameters(plain), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_three_way_verdict_in_float32(activation):
    x, y = batch(9)
    truth, _ = networks(activation)
    truth.descend(x, y, 0.3, 0.9, 1.0)
    plain, fused = networks(activation, dtype=torch.float32)
    for network in (plain, fused):
        start, _ = networks(activation)
        for mine, theirs in zip(
            network.weights + network.biases, start.weights + start.biases, strict=True
        ):
            mine.copy_(theirs)
    plain.descend(x.float(), y.float(), 0.3, 0.9, 1.0)
    FusedStep(fused, 9)(x.float(), y.float(), 0.3, 0.9, 1.0)
    for ours, theirs, true in zip(*map(parameters, (fused, plain, truth)), strict=True):
        assert judge("", "parameter", ours, theirs, true).passed


def test_allocates_nothing_but_what_the_loss_needs():
    _, fused = networks()
    x, y = batch(9)
    step = FusedStep(fused, 9)
    step(x, y, 0.1, 0.9, 1.0)
    buffers = [t.data_ptr() for t in (*step.z, *step.a[:-1], *step.delta[:-1])]
    step(x, y, 0.1, 0.9, 1.0)
    assert buffers == [t.data_ptr() for t in (*step.z, *step.a[:-1], *step.delta[:-1])]


def test_fit_with_a_last_batch_that_is_smaller_and_by_all_at_once():
    x, y = batch(11)
    for size in (4, "full"):
        network, _ = networks()
        curves = network.fit(x, y, epochs=30, batch_size=size, lr=0.5, momentum=0.5)
        assert curves.training_loss[-1] < curves.training_loss[0]


@pytest.mark.gpu
def test_on_a_gpu():
    x, y = batch(9)
    plain, fused = (network.to("cuda") for network in networks())
    plain.descend(x.cuda(), y.cuda(), 0.3, 0.9, 1.0)
    FusedStep(fused, 9)(x.cuda(), y.cuda(), 0.3, 0.9, 1.0)
    for ours, theirs in zip(parameters(fused), parameters(plain), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
