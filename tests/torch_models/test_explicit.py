"""The explicit way: ``Network``'s fused steps on the weights of an ``nn.Sequential``."""

import pytest
import torch

from manual_backprop import Network
from manual_backprop.network.captured import Captured
from tests.torch_models.short_trainings import outcome
from torch_models import datasets, explicit
from torch_models.explicit import Explicit
from torch_models.networks.mlp import mlp


def test_takes_another_descent_or_refuses_it():
    torch.manual_seed(0)  # of four neurons all may be dead
    network = mlp((3, 4, 2))
    explicit = Explicit(network, "relu", "cross-entropy")
    x, labels = torch.ones(5, 3), torch.zeros(5, dtype=torch.long)
    for _ in range(2):  # the second one's velocities start at 0 again
        descent = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
        explicit.take(descent)
        explicit.step(x, labels)
        assert all(state["momentum_buffer"].any() for state in list(descent.state.values())[-2:])
    for other in (
        torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=0.1),
        torch.optim.Adam(network.parameters()),
    ):
        with pytest.raises(ValueError, match=r"weight_decay|expected SGD"):
            explicit.take(other)


@pytest.mark.parametrize("form", ["torch", "ema"])
def test_trains_as_network_does(tmp_path, form):
    """The steps are fused, so the last bits differ: in float64 nobody sees them."""
    saved, _ = outcome(
        tmp_path, "--backprop", "explicit", "--momentum-form", form, "--precision", "64-true"
    )
    torch.manual_seed(0)
    layer = torch.nn.Linear(784, 12), torch.nn.Linear(12, 10)
    network = Network((784, 12, 10))
    network.weights[:] = [part.weight.detach().clone() for part in layer]
    network.biases[:] = [part.bias.detach().clone() for part in layer]
    network.to(dtype=torch.float64)
    for epoch in range(2):
        for x, labels in datasets.load("digits").training_batches().of_epoch(epoch):
            network.step(x, labels, lr=0.1, momentum=0.9, momentum_form=form)
    for i, W in enumerate(network.weights):
        torch.testing.assert_close(saved["state_dict"][f"network.{2 * i}.weight"], W)


@pytest.mark.parametrize("form", ["torch", "ema"])
@pytest.mark.parametrize("loss", ["cross-entropy", "bce"])
def test_recorded_steps_change_nothing(form, loss, tmp_path, graphs, monkeypatch):
    options = ["--backprop", "explicit", "--momentum-form", form, "--loss", loss]
    plain, curves_of_plain = outcome(tmp_path / "plain", *options)
    monkeypatch.setattr(explicit, "captured", Captured)
    recorded, curves = outcome(tmp_path / "recorded", *options)
    assert [graph.replays for graph in graphs] == [19, 1]  # 10 whole batches an epoch and a part
    assert curves == curves_of_plain
    for name, weight in plain["state_dict"].items():
        assert torch.equal(recorded["state_dict"][name], weight), name


def test_recorded_steps_follow_the_descents_settings(graphs, monkeypatch):
    monkeypatch.setattr(explicit, "captured", Captured)
    network = mlp((3, 4, 2))
    ours = Explicit(network, "relu", "cross-entropy")
    descent = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    ours.take(descent)
    x, labels = torch.ones(5, 3), torch.zeros(5, dtype=torch.long)
    for _ in range(3):
        ours.step(x, labels)
    before = [w.detach().clone() for w in network.parameters()]
    descent.param_groups[0]["lr"] = 0.0
    for _ in range(3):
        ours.step(x, labels)
    assert all(torch.equal(w, b) for w, b in zip(network.parameters(), before, strict=True))
    assert [graph.replays for graph in graphs] == [2, 2]
