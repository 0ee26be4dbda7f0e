import copy
import itertools

import pytest
import torch

from manual_backprop.activation import table
from manual_backprop.network import Network, losses
from tests.manual_backprop.twins import (
    MODULES,
    PAIRS,
    SIZES,
    TORCH,
    autograd,
    check,
    data,
    explicit,
    one_hot,
    seeded,
    sequential,
)


@pytest.mark.parametrize(("activation", "loss"), PAIRS)
def test_gradients_are_those_of_autograd(activation, loss):
    network = Network(SIZES, activation, loss, dtype=torch.float64, generator=seeded())
    x, labels = data()
    check(network, x, one_hot(labels, x))
    by_label, by_vector = explicit(network, x, labels), explicit(network, x, one_hot(labels, x))
    assert all(map(torch.equal, by_label, by_vector))


@pytest.mark.parametrize(
    "loss", ["cross-entropy", "bce", "bce-with-logits", "squared-error", "mse"]
)
def test_targets_may_be_probabilities(loss):
    network = Network(SIZES, "tanh", loss, dtype=torch.float64, generator=seeded())
    x, _ = data()
    check(network, x, torch.randn(9, 4, generator=seeded(3), dtype=x.dtype).softmax(1))


@pytest.mark.parametrize("activation", ["relu", "leaky-relu", "elu"])
def test_kinks_have_the_derivative_of_torch(activation):
    network = Network(SIZES, activation, dtype=torch.float64)
    for w in network.weights + network.biases:
        w.copy_(torch.randint(-1, 2, w.shape, generator=seeded(w.numel())))
    x = torch.randint(-1, 2, (20, 7), generator=seeded()).double()
    network.forward(x)
    assert (network.z[0] == 0).sum() > 5
    check(network, x, one_hot(data(20)[1], x))


@pytest.mark.parametrize(("activation", "loss"), PAIRS)
def test_float32_is_as_near_to_the_truth_as_autograd(activation, loss):
    network = Network((40, 30, 20, 4), activation, loss, generator=seeded())
    x, labels = data(50, 40, dtype=torch.float32)
    y = one_hot(labels, x)
    ours, (_, theirs) = explicit(network, x, y), autograd(network, x, y)
    _, truth = autograd(network.to(dtype=torch.float64), x.double(), y.double())
    for a, b, t in zip(ours, theirs, truth, strict=True):
        eps_scale = torch.finfo(torch.float32).eps * t.abs().max()
        assert (a - t).abs().max() <= 2 * (b - t).abs().max() + 4 * eps_scale


@pytest.mark.parametrize("loss", TORCH)
def test_deltas_are_the_derivatives_for_each_sample(loss):
    network = Network(SIZES, "silu", loss, dtype=torch.float64, generator=seeded())
    x, labels = data()
    network.forward(x)
    deltas = network.backward(labels).deltas
    zs, a = [], x
    for linear, σ in itertools.zip_longest(*[iter(sequential(network))] * 2):
        zs.append(linear(a))
        a = zs[-1] if σ is None else σ(zs[-1])
    total = TORCH[loss][1](a, one_hot(labels, x)) * len(x)
    for δ, expected in zip(deltas, torch.autograd.grad(total, zs), strict=True):
        torch.testing.assert_close(δ, expected, rtol=1e-12, atol=1e-14)


def by_hand() -> Network:
    network = Network((2, 2, 2), dtype=torch.float64)
    values = {
        "0.weight": [[1, 2], [3, -4]],
        "0.bias": [0, 0],
        "2.weight": [[1, 5], [2, 7]],
        "2.bias": [3, 0],
    }
    network.load_state_dict({name: torch.tensor(value) for name, value in values.items()})
    return network


@pytest.mark.parametrize("m", [1, 2, 8])
def test_small_integers_by_hand(m):
    # z¹ = (3, −1), a¹ = (3, 0), z² = (6, 6), ŷ = (½, ½); a mean, so m equal samples change nothing.
    network = by_hand()
    assert network.forward([[1, 1]] * m).tolist() == [[0.5, 0.5]] * m
    assert [z[0].tolist() for z in network.z] == [[3, -1], [6, 6]]
    assert [a[0].tolist() for a in network.a] == [[1, 1], [3, 0], [0.5, 0.5]]
    deltas, weights, biases = network.backward([0] * m)
    assert [δ.tolist() for δ in deltas] == [[[0.5, 0]] * m, [[-0.5, 0.5]] * m]
    assert [g.tolist() for g in weights] == [[[0.5, 0.5], [0, 0]], [[-1.5, 0], [1.5, 0]]]
    assert [g.tolist() for g in biases] == [[0.5, 0], [-0.5, 0.5]]


def test_accuracy_of_a_single_output_is_that_of_rounding_it():
    network = Network((1, 1), loss="bce")
    network.load_state_dict({"0.weight": torch.ones(1, 1), "0.bias": torch.zeros(1)})
    x = [[-1], [-2], [1], [2]]  # ŷ < ½ twice, then ŷ > ½
    assert network.accuracy(x, [0, 0, 1, 1]) == 1
    assert network.accuracy(x, [0, 1, 1, 1]) == 0.75
    assert network.accuracy(x, [1, 1, 0, 0]) == 0


def test_one_sample_of_each_class_cancels_in_the_mean():
    network = by_hand()
    network.forward([[1, 1], [1, 1]])
    deltas, weights, biases = network.backward([0, 1])
    assert all(δ.abs().max() == 0.5 for δ in deltas)
    assert all(g.abs().max() == 0 for g in weights + biases)


@pytest.mark.parametrize("loss", TORCH)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("activation", MODULES)
def test_large_inputs_give_finite_numbers(activation, loss, dtype):
    network = Network(SIZES, activation, loss, dtype=dtype, generator=seeded())
    x = torch.tensor([1e4, -1e4]).repeat(7)[torch.randint(14, (9, 7), generator=seeded())]
    labels = data()[1]
    assert 0 <= network.loss_value(x, labels) < 1e6
    assert network.forward(x).isfinite().all()
    assert all(g.isfinite().all() for g in explicit(network, x, labels))


@pytest.mark.parametrize("loss", ["cross-entropy", "bce"])
def test_loss_of_a_probability_rounded_to_zero(loss):
    network = Network((2, 2), loss=loss)
    network.load_state_dict({"0.weight": torch.eye(2), "0.bias": torch.zeros(2)})
    x = [[1e4, -1e4]]
    assert network.forward(x).tolist() == [[1, 0]]
    assert network.loss_value(x, [1]) == (20_000 if loss == "cross-entropy" else 10_000)
    assert network.loss_value(x, [0]) == 0
    # A confident mistake: the full gradient, not a vanished one.
    assert network.backward([1]).deltas[0].abs().max() == (1 if loss == "cross-entropy" else 0.5)


@pytest.mark.gpu
@pytest.mark.parametrize(("activation", "loss"), PAIRS)
def test_gpu_agrees_with_cpu(activation, loss):
    network = Network(SIZES, activation, loss, dtype=torch.float64, generator=seeded())
    x, labels = data(50)
    expected = explicit(network, x, labels)
    moved = copy.deepcopy(network).to("cuda")
    for ours, theirs in zip(explicit(moved, x, labels), expected, strict=True):
        assert ours.is_cuda
        torch.testing.assert_close(ours.cpu(), theirs, rtol=1e-10, atol=1e-12)
    settings = {"epochs": 2, "batch_size": 8, "momentum": 0.9}
    for n in network, moved:
        n.fit(x, labels, validation=(x, labels), generator=seeded(), **settings)
    torch.testing.assert_close(moved.weights[0].cpu(), network.weights[0])


def plant_derivative(monkeypatch, change):
    right = table.ACTIVATIONS["silu"]
    wrong = right._replace(
        gradient=lambda g, z, a: g * change(right.gradient(torch.ones_like(z), z, a), z)
    )
    monkeypatch.setitem(table.ACTIVATIONS, "silu", wrong)


def plant_delta(monkeypatch, change):
    for name in "cross-entropy", "mse":
        right = losses.LOSSES[name]
        wrong = right._replace(delta=lambda a, y, right=right: change(right.delta(a, y), a))
        monkeypatch.setitem(losses.LOSSES, name, wrong)


def plant_gradients(monkeypatch, change):
    right = Network.backpropagate
    monkeypatch.setattr(Network, "backpropagate", lambda self, y: change(right(self, y), self))


PLANTED = {
    "no σ′": (plant_derivative, lambda d, z: torch.ones_like(d)),
    "σ′ of the output": (plant_derivative, lambda d, z: torch.sigmoid(z) * (1 - torch.sigmoid(z))),
    "σ′ off by 1e-8": (plant_derivative, lambda d, z: d + 1e-8),
    "δᴸ turned round": (plant_delta, lambda δ, a: -δ),
    "δᴸ twice": (plant_delta, lambda δ, a: 2 * δ),
    "δᴸ with a stray σ′": (plant_delta, lambda δ, a: δ * a * (1 - a)),
    "sum instead of mean": (
        plant_gradients,
        lambda g, n: g._replace(weights=[w * len(n.a[0]) for w in g.weights]),
    ),
    "bias of the first sample": (
        plant_gradients,
        lambda g, n: g._replace(biases=[δ[0] for δ in g.deltas]),
    ),
    "aˡ for aˡ⁻¹": (
        plant_gradients,
        lambda g, n: g._replace(
            weights=[g.deltas[0].T @ n.a[0] / len(n.a[0]), *(w * 0 for w in g.weights[1:])]
        ),
    ),
    "transposed": (
        plant_gradients,
        lambda g, n: g._replace(weights=[w.T.reshape(w.shape) for w in g.weights]),
    ),
}


@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bugs_are_seen(bug, loss, monkeypatch):
    network = Network(SIZES, "silu", loss, dtype=torch.float64, generator=seeded())
    x, labels = data()
    check(network, x, one_hot(labels, x))
    plant, change = PLANTED[bug]
    plant(monkeypatch, change)
    with pytest.raises(AssertionError):
        check(network, x, one_hot(labels, x))
