import math
import re

import pytest
import torch

from manual_backprop.network import Network

X, LABELS = [[0.0, 1.0, 2.0]] * 2, [0, 1]
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (((),), {}, "expected at least two positive sizes (inputs, …, outputs), got ()"),
        (((3,),), {}, "got (3,)"),
        (((3, 0, 2),), {}, "got (3, 0, 2)"),
        (((3, -1),), {}, "got (3, -1)"),
        (((3, 2.0),), {}, "got (3, 2.0)"),
        (((3, 2), "rleu"), {}, "unknown activation 'rleu': choose one of relu, leaky-relu, elu"),
        (((3, 2), "relu", "hinge"), {}, "unknown loss 'hinge': choose one of cross-entropy, nll"),
        (((3, 1),), {}, "cross-entropy needs at least 2 outputs, got 1"),
        (((3, 1), "relu", "nll"), {}, "nll needs at least 2 outputs, got 1"),
        (((3, 2),), {"dtype": torch.int64}, "expected torch.float32 or torch.float64, got torch.i"),
        (((3, 2),), {"dtype": torch.bfloat16}, "got torch.bfloat16"),
    ],
)
def test_constructor_refuses(args, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Network(*args, **options)


USES = {
    "step": lambda network, x, y: network.step(x, y, lr=0.1),
    "fit": lambda network, x, y: network.fit(x, y, epochs=1),
    "validation": lambda network, x, y: network.fit(X, LABELS, epochs=1, validation=(x, y)),
    "loss_value": lambda network, x, y: network.loss_value(x, y),
    "accuracy": lambda network, x, y: network.accuracy(x, y),
    "backward": lambda network, x, y: (network.forward(x), network.backward(y)),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([0.0, 1.0, 2.0], [0], "expected x of shape (m, 3) with m ≥ 1, got (3,)"),
        ([[0.0, 1.0]], [0], "expected x of shape (m, 3) with m ≥ 1, got (1, 2)"),
        (torch.zeros(0, 3), [], "expected x of shape (m, 3) with m ≥ 1, got (0, 3)"),
        (torch.zeros(2, 1, 3), LABELS, "got (2, 1, 3)"),
        ([[0.0, NAN, 2.0]] * 2, LABELS, "expected finite numbers, got NaN or infinity in x"),
        ([[0.0, -INF, 2.0]] * 2, LABELS, "expected finite numbers, got NaN or infinity in x"),
        (X, [0, 1, 1], "expected y of shape (2, 2), or whole-number labels of shape (2,), got "),
        (X, [0.0, 1.0], "or whole-number labels of shape (2,), got torch.float32 of shape (2,)"),
        (X, [[0], [1]], "expected y of shape (2, 2), or whole-number labels of shape (2,), got "),
        (X, [[1, 0, 0]] * 2, "got torch.int64 of shape (2, 3)"),
        (X, [0, 2], "expected labels 0 … 1, got labels 0 … 2"),
        (X, [-1, 0], "expected labels 0 … 1, got labels -1 … 0"),
        (X, [[NAN, 1.0]] * 2, "expected finite numbers, got NaN or infinity in y"),
        (X, [[-1.0, 2.0]] * 2, "cross-entropy expects targets between 0 and 1, got -1 … 2"),
        (X, [[1.0, 0.5]] * 2, "cross-entropy expects rows of y that sum to 1, got one off by 0.5"),
    ],
)
def test_samples_and_targets_are_refused_everywhere(use, x, y, message):
    network = Network((3, 2))
    before = [w.clone() for w in network.weights + network.biases]
    with pytest.raises(ValueError, match=re.escape(message)):
        USES[use](network, x, y)
    assert all(map(torch.equal, network.weights + network.biases, before))


def test_targets_need_not_be_probabilities_for_squared_errors():
    for loss in "squared-error", "mse":
        assert Network((3, 2), loss=loss).loss_value(X, [[-5.0, 7.0]] * 2) > 10
    assert Network((3, 2), loss="bce").loss_value(X, [[1.0, 1.0]] * 2) > 0
    with pytest.raises(ValueError, match="bce expects targets between 0 and 1, got -5 … 7"):
        Network((3, 2), loss="bce").loss_value(X, [[-5.0, 7.0]] * 2)


def test_a_single_output_has_the_labels_0_and_1():
    network = Network((3, 1), loss="bce")
    assert network.loss_value(X, LABELS) == network.loss_value(X, [[0.0], [1.0]])
    assert network.loss_value(X, [False, True]) == network.loss_value(X, LABELS)
    with pytest.raises(ValueError, match="expected labels 0 … 1, got labels 0 … 2"):
        network.loss_value(X, [0, 2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -0.1}, "expected a learning rate ≥ 0, got -0.1"),
        ({"lr": NAN}, "expected a learning rate ≥ 0, got nan"),
        ({"momentum": -1}, "expected a momentum of at least 0, got -1"),
        ({"momentum": 1, "momentum_form": "ema"}, "of at least 0 and below 1, got 1"),
        ({"momentum_form": "notes"}, "unknown momentum form 'notes': choose one of torch, ema"),
        ({"epochs": 0}, "expected a number of epochs ≥ 1, got 0"),
        ({"batch_size": 0}, "expected 'full' or a batch size ≥ 1, got 0"),
        ({"batch_size": "half"}, "expected 'full' or a batch size ≥ 1, got 'half'"),
    ],
)
def test_settings_are_refused(options, message):
    network = Network((3, 2))
    with pytest.raises(ValueError, match=re.escape(message)):
        network.fit(X, LABELS, **{"epochs": 1, **options})
    if options.keys().isdisjoint({"epochs", "batch_size"}):
        with pytest.raises(ValueError, match=re.escape(message)):
            network.step(X, LABELS, **{"lr": 0.1, **options})


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("0.bias"),
        lambda state: state.update({"2.weight": torch.zeros(2, 2)}),
        lambda state: state.update({"0.weight": torch.zeros(3, 2)}),
        lambda state: state.update({"0.weight": "text"}),
    ],
)
def test_foreign_state_dict_is_refused(change):
    network = Network((3, 2))
    before = network.weights[0].clone()
    state = {name: tensor + 1 for name, tensor in network.state_dict().items()}
    change(state)
    expected = "state_dict does not fit: expected {'0.weight': (2, 3), '0.bias': (2,)}, got {"
    with pytest.raises(ValueError, match=re.escape(expected)):
        network.load_state_dict(state)
    assert torch.equal(network.weights[0], before)


def test_backward_needs_a_forward_pass():
    with pytest.raises(RuntimeError, match="call forward first"):
        Network((3, 2)).backward(LABELS)
