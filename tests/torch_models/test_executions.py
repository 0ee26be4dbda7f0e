"""Several optimiser steps in one ``training_step``: faster, and nothing else."""

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from manual_backprop import Network
from torch_models import datasets, train
from torch_models.batches import Executions, ShuffledBatches
from torch_models.explicit import Explicit
from torch_models.networks import mlp

OPTIONS = ["--dataset", "digits", "--hidden", "12", "--epochs", "2", "--accelerator", "cpu"]


def outcome(folder, *options):
    """What a training leaves: its checkpoint, and its curves as text."""
    assert train.main([*OPTIONS, *options, "--log-dir", str(folder)]) == 0
    [run] = folder.glob("*/version_0")
    events = EventAccumulator(str(run))
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith(("loss/", "accuracy/"))]
    curves = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in sorted(tags)}
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True), str(curves)


@pytest.mark.parametrize(
    "options",
    [
        ["--manual"],
        ["--backprop", "autograd", "--momentum-form", "ema"],
        ["--backprop", "explicit"],
        ["--backprop", "explicit", "--momentum-form", "ema"],
        ["--backprop", "autograd", "--precision", "bf16-mixed"],
        ["--manual", "--precision", "64-true"],
    ],
    ids=" ".join,
)
def test_results_do_not_depend_on_it(tmp_path, options):
    one, curves_of_one = outcome(tmp_path / "1", *options, "--steps-per-execution", "1")
    for steps in ("4", "50"):
        many, curves = outcome(tmp_path / steps, *options, "--steps-per-execution", steps)
        assert many["global_step"] == one["global_step"] == 2 * 11
        assert curves == curves_of_one
        for name, weight in one["state_dict"].items():
            assert torch.equal(many["state_dict"][name], weight), name


def test_an_epoch_is_cut_into_executions():
    batches = ShuffledBatches(torch.arange(11.0).view(11, 1), torch.arange(11), 2)
    executions = Executions(batches, 4)
    taken = [[len(y) for _, y in execution] for execution in executions]
    assert taken == [[2, 2, 2, 2], [2, 1]]
    assert len(executions) == 2


def test_explicit_takes_another_descent_or_refuses_it():
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
def test_explicit_trains_as_network_does(tmp_path, form):
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
