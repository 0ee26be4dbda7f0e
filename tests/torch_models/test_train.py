import io
import re
import shutil
import subprocess
import sys

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from manual_backprop.activation.rectifiers import ReLUFunction
from manual_backprop.network.losses import LOSSES
from tests.exhaustive import some
from tests.forked import forked
from tests.seconds import spent_on_children
from tests.torch_models.short_trainings import train_digits as train
from torch_models import curves, datasets
from torch_models.networks.loss_function import loss_function
from torch_models.networks.mlp import mlp
from torch_models.train import main


def weights(run):
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def test_explicit_ends_where_autograd_does(tmp_path, capsys):
    figures = []
    for way in ("explicit", "autograd"):
        assert train(tmp_path, "--backprop", way, "--epochs", 3) == 0
        out = capsys.readouterr().out
        figures.append(float(re.search(r"^test loss (\S+)$", out, re.MULTILINE)[1]))
    assert figures[0] == pytest.approx(figures[1], abs=2e-4)
    explicit, autograd = (weights(tmp_path / way / "version_0") for way in ("explicit", "autograd"))
    assert explicit.keys() == autograd.keys()


def test_a_wrong_recursion_would_show(tmp_path, capsys, monkeypatch):
    cross_entropy = LOSSES["cross-entropy"]
    wrong = cross_entropy._replace(delta=lambda ŷ, y: y - ŷ)
    monkeypatch.setitem(LOSSES, "cross-entropy", wrong)
    assert train(tmp_path, "--backprop", "explicit", "--epochs", 1) == 0
    accuracy = float(re.search(r"test accuracy (\S+)", capsys.readouterr().out)[1])
    assert accuracy < 0.2


def test_the_notes_settings(tmp_path, capsys):
    """Full batch, momentum as a running mean, and sizes of one's own."""
    settings = ["--batch-size", "full", "--momentum-form", "ema", "--lr", 0.5]
    sizes = ["--train-size", 1000, "--val-size", 200]
    assert train(tmp_path, "--backprop", "explicit", "--epochs", 30, *settings, *sizes) == 0
    out = capsys.readouterr().out
    assert "1000 training, 200 validation" in out
    assert float(re.search(r"test accuracy (\S+)", out)[1]) > 0.7
    assert train(tmp_path, "--train-size", 1400, "--val-size", 200) == 2
    assert "more than the 1437" in capsys.readouterr().err


def test_manual_and_autograd_are_bit_for_bit_the_same(tmp_path, capsys):
    figures = []
    for way in ("manual", "autograd"):
        assert train(tmp_path, "--backprop", way, "--epochs", 2) == 0
        out = capsys.readouterr().out
        figures.append(re.findall(r"^test (?:accuracy|loss) (0\.\d{4})$", out, re.MULTILINE))
        assert f"{tmp_path}/{way}/version_0" in out
        assert "\x1b" not in out
    assert len(figures[0]) == 2
    assert figures[0] == figures[1]
    manual, autograd = (weights(tmp_path / way / "version_0") for way in ("manual", "autograd"))
    assert manual.keys() == autograd.keys()
    assert all(torch.equal(manual[name], autograd[name]) for name in manual)


def test_a_wrong_backward_would_show(tmp_path, capsys, monkeypatch):
    assert train(tmp_path, "--backprop", "autograd", "--epochs", 1) == 0
    monkeypatch.setattr(ReLUFunction, "backward", staticmethod(lambda ctx, g: g * 1.01))
    assert train(tmp_path, "--manual", "--epochs", 1) == 0
    manual, autograd = (weights(tmp_path / way / "version_0") for way in ("manual", "autograd"))
    assert not torch.equal(manual["network.0.weight"], autograd["network.0.weight"])


def test_what_a_run_leaves(tmp_path, capsys):
    assert train(tmp_path, "--manual", "--epochs", 2, "--hidden", 12, 8) == 0
    run = tmp_path / "manual/version_0"
    assert {"best.ckpt", "last.ckpt"} <= {path.name for path in (run / "checkpoints").iterdir()}
    events = EventAccumulator(str(run))
    events.Reload()
    wanted = {f"{what}/{when}" for what in ("loss", "accuracy") for when in ("train", "val")}
    assert wanted <= set(events.Tags()["scalars"])
    hparams = (run / "hparams.yaml").read_text()
    for line in ("backprop: manual", "dataset: digits", "sizes: 784-12-8-10", "lr: 0.1"):
        assert line in hparams
    assert all(len(values) == 2 for _, values in curves.curves(run).values())
    assert curves.main(["--log-dir", str(tmp_path), "--output", str(tmp_path / "c.png")]) == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_resumed_is_as_if_never_interrupted(tmp_path, capsys):
    assert train(tmp_path / "whole", "--epochs", 3) == 0
    assert train(tmp_path / "parts", "--epochs", 1) == 0
    capsys.readouterr()
    assert train(tmp_path / "parts", "--epochs", 3, "--resume", "last") == 0
    # Starting over would end at the same weights.
    assert re.findall(r"^epoch (\d)", capsys.readouterr().out, re.MULTILINE) == ["2", "3"]
    runs = [tmp_path / part / "autograd" for part in ("whole", "parts")]
    assert [path.name for path in runs[1].iterdir()] == ["version_0"]
    whole, parts = (weights(run / "version_0") for run in runs)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_last_is_the_last_epoch_and_best_the_best(tmp_path, capsys):
    # So large a learning rate leaves the best epoch behind.
    assert train(tmp_path, "--epochs", 4, "--lr", 1) == 0
    run = tmp_path / "autograd/version_0"
    _, losses = curves.curves(run)["loss/val"]
    best = min(range(4), key=losses.__getitem__)
    assert best < 3
    epochs = {
        name: torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True)["epoch"]
        for name in ("best", "last")
    }
    assert epochs == {"best": best, "last": 3}


def test_nothing_left_to_train(tmp_path, capsys):
    assert train(tmp_path, "--epochs", 2) == 0
    figures = capsys.readouterr().out.splitlines()[-4:]
    assert train(tmp_path, "--epochs", 2, "--resume", "last") == 0
    out = capsys.readouterr().out
    assert "nothing left to train" in out
    assert "epoch 1" not in out
    assert out.splitlines()[-4:] == figures


def test_lightning_and_a_bare_loop_train_alike(tmp_path):
    assert train(tmp_path, "--epochs", 2, "--hidden", 20, "--seed", 3) == 0
    trained = weights(tmp_path / "autograd/version_0")
    torch.manual_seed(3)
    network, loss = mlp((784, 20, 10)), loss_function()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    batches = datasets.load("digits", seed=3).training_batches(128, seed=3)
    for epoch in range(2):
        for x, labels in batches.of_epoch(epoch):
            optimizer.zero_grad()
            loss(network(x), labels).backward()
            optimizer.step()
    assert all(torch.equal(w, trained[f"network.{k}"]) for k, w in network.state_dict().items())


def test_checkpoint_runs_no_code(tmp_path, capsys):
    class Hostile:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").mkdir, ())

    torch.save({"state_dict": Hostile()}, tmp_path / "hostile.ckpt")
    assert train(tmp_path, "--resume", tmp_path / "hostile.ckpt") == 2
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_other_precisions(tmp_path, precision):
    assert train(tmp_path, "--manual", "--epochs", 1, "--precision", precision) == 0


# Dynamo of PyTorch 2.11 looks at .grad of whatever it is given.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
# inductor starts a compiler of C++, which takes ten seconds
@pytest.mark.parametrize("backend", some(["aot_eager"], ["aot_eager", "inductor"]))
def test_compiled(tmp_path, monkeypatch, backend):
    torch._dynamo.reset()
    compiled, compile = [], torch.nn.Module.compile

    def compile_with(module):
        compiled.append(module)
        compile(module, backend=backend)

    monkeypatch.setattr(torch.nn.Module, "compile", compile_with)
    ends = []
    for options in ([], ["--compile"]):
        folder = tmp_path / "".join(options)
        assert train(folder, "--manual", "--epochs", 1, "--precision", "64-true", *options) == 0
        ends.append(weights(folder / "manual/version_0"))
    torch.testing.assert_close(*ends, rtol=1e-9, atol=1e-12)
    assert len(compiled) == 1


def test_no_network_and_no_data_is_digits_with_a_warning(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:9/"])
    arguments = ["--manual", "--data-dir", str(tmp_path / "data"), "--log-dir", str(tmp_path)]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert "WARNING: this is NOT MNIST" in captured.err
    accuracy = float(re.search(r"test accuracy (\S+)", captured.out)[1])
    assert accuracy >= 0.95
    assert main([*arguments, "--dataset", "mnist"]) == 2
    error = capsys.readouterr().err
    assert "http://127.0.0.1:9/train-images" in error
    assert "put these four files into" in error


def test_help_is_immediate():
    before = spent_on_children()
    command = [sys.executable, "-X", "importtime", "-m", "torch_models.train", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--manual" in result.stdout
    assert "import time:" in result.stderr
    assert not re.search(r"\| +(torch|lightning|numpy)$", result.stderr, re.MULTILINE)
    assert spent_on_children() - before < 2


def test_real_mnist_in_a_terminal(tmp_path, monkeypatch, mnist_root):
    """One epoch here; five of the defaults end near 97.6 %."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    arguments = ["--manual", "--epochs", "1", "--dataset", "mnist", "--data-dir", str(mnist_root)]
    assert main([*arguments, "--log-dir", str(tmp_path)]) == 0
    assert re.search(r"/430.*loss \d\.\d{4}  accuracy 0\.\d{4}", screen.getvalue())
    assert float(re.search(r"test accuracy (\S+)", screen.getvalue())[1]) > 0.94


def test_a_command_in_a_pipe(tmp_path):
    options = ["--manual", "--dataset", "digits", "--epochs", 1, "--log-dir", tmp_path]
    result = forked(main, options)
    assert result.returncode == 0
    assert result.stderr == ""
    assert "\x1b" not in result.stdout
    assert "test accuracy" in result.stdout
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("network", ["resnet", "vit"])
def test_running_means_and_masks_go_on_where_they_were(few_samples, network, tmp_path, capsys):
    few = ["--network", network, "--train-size", 24, "--val-size", 8, "--batch-size", 8]
    assert train(tmp_path / "whole", *few, "--epochs", 3) == 0
    assert train(tmp_path / "parts", *few, "--epochs", 1) == 0
    assert train(tmp_path / "parts", *few, "--epochs", 3, "--resume", "last") == 0
    runs = [tmp_path / part / f"{network}-autograd/version_0" for part in ("whole", "parts")]
    whole, parts = (weights(run) for run in runs)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_text_of_ones_own(tmp_path, capsys):
    text = tmp_path / "text"
    text.mkdir()
    (text / "a.txt").write_bytes(b"all work and no play makes jack a dull boy\n" * 100)
    options = ["--network", "gpt", "--text-dir", str(text), "--log-dir", str(tmp_path)]
    assert main([*options, "--batch-size", "4", "--val-size", "4"]) == 0
    out = capsys.readouterr().out
    assert "text: 26 training, 4 validation, 3 test sequences of 128 bytes" in out
    assert re.search(r"^test bits per byte \d\.\d{4}$", out, re.MULTILINE)
    assert re.search(r"^generated text:$", out, re.MULTILINE)
    (text / "a.txt").write_bytes(b"All work and no play makes jack a dull boy\n" * 100)
    assert main([*options, "--batch-size", "4", "--val-size", "4", "--resume", "last"]) == 2
    assert "belongs to another training: text " in capsys.readouterr().err
