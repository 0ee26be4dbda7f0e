import json

import pytest
import torch

from compare import gradients, training
from compare.comparison.explicit_gradients import LockstepExplicit, compare_explicit
from compare.training.lockstep import train_in_lockstep
from manual_backprop.network import Network
from manual_backprop.network.losses import LOSSES
from torch_models.names import ACTIVATIONS
from torch_models.names import LOSSES as LOSS_NAMES
from torch_models.networks.loss_function import loss_function
from torch_models.networks.mlp import mlp


def data():
    return torch.rand(20, 6), torch.randint(3, (20,))


@pytest.mark.parametrize("loss", LOSS_NAMES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_network_agrees(activation, loss):
    report = compare_explicit(mlp((6, 5, 4, 3), activation, loss), activation, loss, *data())
    assert report.passed, str(report)
    kinds = [row.kind for row in report.rows]
    assert kinds.count("parameter") == 6
    assert kinds.count("delta") >= 2


@pytest.mark.parametrize("bug", ["delta", "weights"])
def test_a_planted_bug_is_found(monkeypatch, bug, tmp_path):
    if bug == "delta":
        wrong = LOSSES["cross-entropy"]._replace(delta=lambda ŷ, y: ŷ - 0.99 * y)
        monkeypatch.setitem(LOSSES, "cross-entropy", wrong)
    else:
        right = Network.backpropagate

        def wrong_sign(self, y):
            gradients = right(self, y)
            return gradients._replace(weights=[-W for W in gradients.weights])

        monkeypatch.setattr(Network, "backpropagate", wrong_sign)
    options = ["--backprop", "explicit", "--dataset", "digits"]
    file = tmp_path / "out.json"
    assert gradients.main([*options, "--json", str(file)]) == 1
    failed = [
        row["name"] for row in json.loads(file.read_text())["rows"] if row["verdict"] == "bug"
    ]
    assert "2.weight" in failed
    assert training.main([*options, "--json", str(file)]) == 1
    assert json.loads(file.read_text())["steps"] == 1


def test_lockstep_goes_on_while_the_gradients_are_right():
    network = mlp((6, 5, 3))
    result = train_in_lockstep(
        network,
        network,
        [data() for _ in range(60)],
        loss=loss_function(classes=3),
        way=LockstepExplicit("relu", "cross-entropy"),
    )
    assert result.passed
    assert result.steps == 60
    assert result.max_abs < 1e-5
