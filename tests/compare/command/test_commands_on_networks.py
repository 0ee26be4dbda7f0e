"""The commands on the networks that are no perceptron."""

import json
import re

import pytest

from compare import gradients, speed, training
from manual_backprop.convolution.convolution import ConvolutionFunction
from tests.exhaustive import some
from torch_models import datasets
from torch_models.networks.build import BUILDERS

#: Of which each layer is judged by itself; test_speed_of_networks.py has all of them as a whole.
JUDGED = some(["lstm"], ["lenet", "lstm", "vit"])


@pytest.fixture(scope="module", autouse=True)
def samples():
    """Loaded once for all the commands here, and few."""
    found = {name: datasets.load(name, train_size=64, val_size=16) for name in ("digits", "text")}
    patch = pytest.MonkeyPatch()
    patch.setattr(datasets, "load", lambda name, *_: found[name])
    for network in ("vit", "gpt"):  # a block is like the next
        patch.setattr(f"torch_models.networks.{network}.DEPTH", 1)
    yield found
    patch.undo()


@pytest.fixture
def run(capsys, tmp_path):
    """Runs a command on a network; gives exit code, JSON, stdout and stderr."""

    def call(command, network, *arguments):
        path = tmp_path / "outcome.json"
        dataset = "text" if network == "gpt" else "digits"
        options = ["--network", network, "--dataset", dataset, "--batch-size", "2"]
        code = command.main([*options, "--json", str(path), *arguments])
        captured = capsys.readouterr()
        outcome = json.loads(path.read_text()) if path.exists() else None
        return code, outcome, captured.out, captured.err

    return call


@pytest.mark.parametrize("network", JUDGED)
def test_gradients_agree(run, network):
    code, outcome, out, err = run(gradients, network, "--dtype", "float64")
    assert (code, err) == (0, "")
    assert re.search(rf"{network}, cross-entropy, float64, \d threads?, batch of 2", out)
    names = {row["name"] for row in outcome["rows"]}
    assert {"loss", "output"} <= names
    assert any(name.endswith(".weight") for name in names) or network == "lstm"
    assert all(layer["verdict"] != "wrong" for layer in outcome["layers"])


@pytest.mark.parametrize("network", BUILDERS)
def test_trainings_stay_together(run, network):
    code, outcome, out, err = run(training, network, "--dtype", "float64", "--steps", "3")
    assert (code, err) == (0, "")
    assert outcome["steps"] == 3
    assert outcome["max_abs"] < 1e-9
    assert "passed: 3 steps" in out


def test_a_wrong_convolution_is_seen(run, monkeypatch):
    right = ConvolutionFunction.backward

    def wrong(ctx, g):
        grad_input, grad_weight, *rest = right(ctx, g)
        return grad_input, grad_weight * 1.01, *rest

    monkeypatch.setattr(ConvolutionFunction, "backward", staticmethod(wrong))
    code, _, out, _ = run(gradients, "lenet")
    assert code == 1
    assert "0 Conv2d is wrong" in out
    code, _, out, _ = run(training, "lenet", "--steps", "3")
    assert code == 1
    assert "computed by the backward of" in out
    code = speed.main(["--network", "lenet", "--batch-size", "2"])
    assert code == 1


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        (gradients, ["--hidden", "3"], "only for mlp"),
        (gradients, ["--backprop", "explicit"], "use autograd or manual"),
        (gradients, ["--loss", "mse"], "only for mlp"),
        (training, ["--activation", "gelu"], "only for mlp"),
        (training, ["--dataset", "text"], "does not fit lenet"),
        (training, ["--steps", "0"], "--steps"),
        (speed, ["--depth", "2"], "--depth: only mlp has that"),
        (speed, ["--loop"], "leave out --network"),
    ],
)
def test_what_does_not_go_together(command, arguments, says, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["--network", "lenet", *arguments])
    assert stop.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert says in line
