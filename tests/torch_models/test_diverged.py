"""A loss that is not finite is traced back to where that began."""

import re

import pytest
import torch

from torch_models.classifier import Classifier
from torch_models.dashboards.pages import STEPS_PER_NORM
from torch_models.diverged import in_step
from torch_models.train import main

DIGITS = ["--dataset", "digits", "--log-dir"]


@pytest.mark.parametrize("way", ["autograd", "manual", "explicit"])
def test_no_checkpoint_yet(tmp_path, capsys, way):
    assert main([*DIGITS, str(tmp_path), "--backprop", way, "--lr", "1e9"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    noticed = re.search(r"the training loss became (?:nan|inf) at step (\d+) \(epoch 1\)", line)
    where = r"it first appeared in the output of network\.2, Linear\(.*\) at step (\d+)"
    assert re.search(where, line)[1] == noticed[1]
    assert "there is no checkpoint to resume from" in line


def test_in_a_later_epoch(tmp_path, capsys):
    options = [
        "--hidden",
        *"88888",
        "--activation",
        "identity",
        "--lr",
        "0.3",
        "--momentum",
        "0.95",
    ]
    assert main([*DIGITS, str(tmp_path), *options]) == 1
    [line] = capsys.readouterr().err.splitlines()
    noticed = re.search(r"the training loss became (?:nan|inf) at step (\d+) \(epoch [2-9]\)", line)
    assert (
        re.search(r"in the output of network\.\d, Linear\(.*\) at step (\d+)", line)[1]
        == noticed[1]
    )
    [last] = tmp_path.glob("*/*/checkpoints/last.ckpt")
    assert f"the last good checkpoint is {last}" in line


def test_in_validation_alone(tmp_path, capsys):
    """One step of full batch: finite when its loss is taken, not after its update."""
    options = ["--batch-size", "full", "--lr", "3e38", "--epochs", "1"]
    assert main([*DIGITS, str(tmp_path), *options]) == 1
    line = capsys.readouterr().err
    assert "loss/val is nan after step 1" in line
    assert re.search(r"it first appeared in the output of network\.\d, .* after step 1", line)


@pytest.mark.parametrize("loss", ["bce", "cross-entropy"])
@pytest.mark.parametrize("way", ["autograd", "manual", "explicit"])
def test_looked_at_before_it_is_noticed(tmp_path, capsys, monkeypatch, way, loss):
    """The dashboards come between the step that spoils the weights and the next one."""
    descend = Classifier._descend

    def spoil(self, x, labels):
        seen = descend(self, x, labels)
        if self.global_step == STEPS_PER_NORM:
            self.network[0].weight.detach().fill_(torch.nan)
        return seen

    monkeypatch.setattr(Classifier, "_descend", spoil)
    options = ["--backprop", way, "--loss", loss, "--hidden", "4", "--batch-size", "8"]
    assert main([*DIGITS, str(tmp_path), *options]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "the training loss became nan at step 101 (epoch 1)" in line


def step(classifier, x):
    labels = torch.tensor([0, 1])
    return in_step(classifier, classifier.configure_optimizers(), (x, labels))


class Infinite(torch.nn.Module):
    def forward(self, output, labels):
        return output.sum() / 0


def test_each_place():
    x = torch.linspace(0.1, 0.8, 8).view(2, 4)
    assert step(Classifier(sizes="4-3-2"), x) is None
    assert step(Classifier(sizes="4-3-2", lr=3e38), 1e6 * x).endswith("by its update")

    layer = Classifier(sizes="4-3-2")
    with torch.no_grad():
        layer.network[0].weight.fill_(torch.nan)
    assert step(layer, x).startswith("the output of network.0, Linear")

    gradient = Classifier(sizes="4-3-2")
    gradient.network[2].weight.register_hook(lambda g: g / 0)
    assert step(gradient, x) == "the gradient of network.2.weight"

    loss = Classifier(sizes="4-3-2")
    loss.loss = Infinite()
    assert step(loss, x) == "the loss, although the outputs are finite"


@pytest.mark.parametrize("network", ["lenet", "vit"])
def test_in_a_module_of_another_network(tmp_path, capsys, network):
    """With the same masks of dropout when it is gone again."""
    options = ["--network", network, "--lr", "1e30", "--train-size", "300"]
    assert main([*DIGITS, str(tmp_path), *options]) == 1
    [line] = capsys.readouterr().err.splitlines()
    noticed = re.search(r"the training loss became (?:nan|inf) at step (\d+) \(epoch 1\)", line)
    where = r"it first appeared in the output of network\.(\S+?), (\w+).* at step (\d+)"
    assert re.search(where, line)[3] == noticed[1]
