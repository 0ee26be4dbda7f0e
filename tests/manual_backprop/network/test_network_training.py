import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from manual_backprop.network import Network
from manual_backprop.network.fused_step import FusedStep
from manual_backprop.optim import SGD, Momentum
from tests.manual_backprop.twins import (
    SIZES,
    data,
    seeded,
)


def trajectory(network: Network, steps: int, **settings) -> list[Tensor]:
    x, labels = data()
    for _ in range(steps):
        network.step(x, labels, **settings)
    return network.weights + network.biases


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_no_autograd_in_any_mode(mode, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("autograd was called")

    monkeypatch.setattr(torch.autograd, "backward", forbidden)
    monkeypatch.setattr(torch.autograd, "grad", forbidden)
    settings = {"lr": 0.1, "momentum": 0.9}
    expected = trajectory(Network(SIZES, generator=seeded()), 4, **settings)
    network = Network(SIZES, generator=seeded())
    trajectory(network, 1, **settings)
    x, labels = data()
    with mode():
        network.step(x.clone().requires_grad_(), labels, **settings)
        network.forward(x.clone().requires_grad_())
        deltas, weights, biases = network.backward(labels)
        trajectory(network, 1, **settings)
    trajectory(network, 1, **settings)
    kept = [*network.weights, *network.biases, *network.z, *network.a, *deltas, *weights, *biases]
    assert not any(t.requires_grad or t.grad_fn is not None for t in kept)
    assert all(map(torch.equal, network.weights + network.biases, expected))


@pytest.mark.parametrize("β", [0.0, 0.9])
@pytest.mark.parametrize(("form", "optimizer"), [("torch", SGD), ("ema", Momentum)])
def test_steps_are_those_of_the_optimizers_bit_for_bit(form, optimizer, β):
    network, twin = (Network(SIZES, generator=seeded()) for _ in range(2))
    parameters = [nn.Parameter(w) for w in twin.weights + twin.biases]  # shares the storage
    descent = optimizer(parameters, lr=0.1, momentum=β)
    x, labels = data()
    for _ in range(20):
        loss = network.step(x, labels, lr=0.1, momentum=β, momentum_form=form)
        assert loss.item() == pytest.approx(twin.loss_value(x, labels))
        twin.forward(x)
        _, weights, biases = twin.backward(labels)
        for w, g in zip(parameters, weights + biases, strict=True):
            w.grad = g
        descent.step()
        for ours, theirs in zip(network.weights + network.biases, parameters, strict=True):
            assert torch.equal(ours, theirs)


def test_the_forms_of_momentum_differ_by_the_learning_rate_alone():
    pair = [Network(SIZES, "tanh", dtype=torch.float64, generator=seeded()) for _ in range(2)]
    notes = trajectory(pair[0], 30, lr=1.0, momentum=0.9, momentum_form="ema")
    torchs = trajectory(pair[1], 30, lr=0.1, momentum=0.9)
    for a, b in zip(notes, torchs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_fit_in_full_batches_is_a_row_of_steps():
    x, labels = data()
    fitted, stepped = (Network(SIZES, generator=seeded()) for _ in range(2))
    curves = fitted.fit(x, labels, epochs=5, batch_size="full", lr=0.1, momentum=0.9)
    losses_before = [stepped.step(x, labels, lr=0.1, momentum=0.9).item() for _ in range(5)]
    for ours, theirs in zip(fitted.weights, stepped.weights, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
    assert curves.training_loss[:-1] == pytest.approx(losses_before[1:])
    assert curves.training_loss[-1] == pytest.approx(stepped.loss_value(x, labels))
    assert curves.validation_loss == curves.validation_accuracy == []


def test_fit_goes_on_where_it_stopped():
    x, labels = data(50)
    once, twice = (Network(SIZES, generator=seeded()) for _ in range(2))
    settings = {"batch_size": 8, "momentum": 0.9, "validation": data(11)}
    curves = once.fit(x, labels, epochs=4, generator=seeded(1), **settings)
    order = seeded(1)
    halves = [twice.fit(x, labels, epochs=2, generator=order, **settings) for _ in range(2)]
    assert all(map(torch.equal, once.weights, twice.weights))
    for whole, first, second in zip(curves, *halves, strict=True):
        assert whole == first + second
        assert len(whole) == 4


def test_an_epoch_takes_every_sample_once(monkeypatch):
    network = Network((1, 2), generator=seeded())
    seen = []
    monkeypatch.setattr(FusedStep, "__call__", lambda self, x, y, **_: seen.append((x, y)))
    x = torch.arange(50.0)[:, None]
    network.fit(x, torch.arange(50) % 2, epochs=1, batch_size=8, generator=seeded())
    assert [len(x) for x, _ in seen] == [8] * 6 + [2]
    xs, ys = (torch.cat(parts) for parts in zip(*seen, strict=True))
    assert not torch.equal(xs, x)
    assert torch.equal(xs.sort(0).values, x)
    assert torch.equal(ys[:, 1], xs[:, 0] % 2)


def test_xor_is_learned():
    x, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    for loss, outputs in ("cross-entropy", 2), ("bce", 1):
        network = Network((2, 8, outputs), "tanh", loss, generator=seeded())
        network.fit(x, y, epochs=300, batch_size="full", lr=0.5, momentum=0.9)
        assert network.accuracy(x, y) == 1
        assert network.loss_value(x, y) < 0.01


def test_sigmoid_neuron_of_the_notes():
    # Two points, one neuron and no hidden layer: w* ≈ 1.79, b* ≈ −2.28 (note 002).
    network = Network((1, 1), loss="squared-error", dtype=torch.float64, generator=seeded())
    network.fit([[0.5], [2.5]], [[0.2], [0.9]], epochs=2000, batch_size="full", lr=3, momentum=0.9)
    assert network.weights[0].item() == pytest.approx(1.79, abs=0.005)
    assert network.biases[0].item() == pytest.approx(-2.28, abs=0.005)


def images(kind: str) -> tuple[Tensor, Tensor]:
    folder = Path(os.environ["MNIST_ROOT"]) / "MNIST" / "raw"

    def bytes_of(name: str, header: int) -> Tensor:
        raw = gzip.decompress((folder / f"{kind}-{name}-ubyte.gz").read_bytes())
        return torch.frombuffer(bytearray(raw[header:]), dtype=torch.uint8)

    x, y = bytes_of("images-idx3", 16), bytes_of("labels-idx1", 8)
    return x.view(-1, 784) / 255, y.long()


@pytest.mark.skipif("MNIST_ROOT" not in os.environ, reason="MNIST_ROOT is not set")
def test_mnist_is_learned_from_a_part():
    (x, y), test = images("train"), images("t10k")
    network = Network((784, 160, 10), generator=seeded())
    curves = network.fit(
        x[:12_000], y[:12_000], epochs=3, momentum=0.9, validation=test, generator=seeded()
    )
    assert curves.validation_accuracy[-1] > 0.92
    assert curves.training_loss[-1] < curves.training_loss[0]


FULL_BATCH = """
import re, torch
from pathlib import Path
from manual_backprop.network import Network
network = Network((784, 160, 10))
x, y = torch.rand(42_000, 784), torch.randint(10, (42_000,))
assert network.step(x, y, lr=0.1, momentum=0.9).isfinite()
# Not ru_maxrss, which starts at what the process that this one was forked from had.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
megabytes = int(peak[1]) / 1024
assert megabytes < 2000, megabytes
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_the_notes_full_batch_fits_into_2_gigabytes():
    subprocess.run([sys.executable, "-c", FULL_BATCH], check=True)
