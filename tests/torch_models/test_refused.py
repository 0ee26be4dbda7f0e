"""What ``train`` refuses: one line on stderr, exit code 2."""

import pytest
import torch

from tests.torch_models.short_trainings import train_digits as train
from torch_models.train import main


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    assert train(folder, "--manual", "--epochs", 1) == 0
    return folder


@pytest.mark.parametrize(
    ("says", "arguments"),
    [
        ("there is no such file", ["--resume", "{folder}/nothing.ckpt"]),
        ("there is no such file", ["--resume", ""]),
        ("truncated", ["--resume", "{folder}/truncated.ckpt"]),
        ("truncated", ["--resume", "{folder}/halved.ckpt"]),
        ("not a checkpoint of", ["--resume", "{folder}/edited.ckpt"]),
        ("precision", ["--resume", "last", "--precision", "64-true"]),
        ("not a checkpoint of", ["--resume", "{folder}/foreign.ckpt"]),
        ("sizes", ["--resume", "last", "--hidden", "17"]),
        ("loss is cross-entropy there and mse here", ["--resume", "last", "--loss", "mse"]),
        ("no run below", ["--resume", "last", "--log-dir", "{folder}/empty"]),
        ("cannot be written", ["--log-dir", "{folder}/truncated.ckpt"]),
        ("cannot be written", ["--dataset", "auto", "--data-dir", "{folder}/truncated.ckpt"]),
        ("not available on this machine", ["--precision", "transformer-engine"]),
        ("not available on this machine", ["--accelerator", "tpu"]),
        ("needs a GPU", ["--accelerator", "cpu", "--precision", "16-mixed"]),
    ],
)
def test_refused_in_one_line(trained, capsys, says, arguments):
    checkpoint = trained / "manual/version_0/checkpoints/last.ckpt"
    (trained / "truncated.ckpt").write_bytes(checkpoint.read_bytes()[:1000])
    (trained / "halved.ckpt").write_bytes(checkpoint.read_bytes()[:-20_000])
    torch.save({"state_dict": {}}, trained / "foreign.ckpt")
    edited = torch.load(checkpoint, weights_only=True) | {"loops": None}
    torch.save(edited, trained / "edited.ckpt")
    arguments = [argument.format(folder=trained) for argument in arguments]
    assert train(trained, "--manual", *arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_resume_of_the_other_way_is_refused(trained, capsys):
    last = trained / "manual/version_0/checkpoints/last.ckpt"
    assert train(trained, "--backprop", "autograd", "--resume", last) == 2
    assert "backprop is manual there and autograd here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("says", "arguments"),
    [
        ("--epochs", ["--epochs", "-1"]),
        ("--hidden", ["--hidden", "0"]),
        ("--activation", ["--activation", "step"]),
        ("--loss", ["--loss", "l1"]),
        ("--lr", ["--lr", "nan"]),
        ("--momentum", ["--momentum", "1.5"]),
        ("--batch-size", ["--batch-size", "0"]),
        ("--momentum-form", ["--momentum-form", "nesterov"]),
        ("no module to compile", ["--backprop", "explicit", "--compile"]),
        ("32-true and 64-true", ["--backprop", "explicit", "--precision", "bf16-mixed"]),
        ("one device", ["--backprop", "explicit", "--devices", "2"]),
        ("contradicts", ["--manual", "--backprop", "autograd"]),
        ("unrecognized", ["--epoch", "3"]),
        ("bce-with-logits", ["--loss", "bce", "--precision", "bf16-mixed"]),
        ("only for mlp", ["--network", "lenet", "--hidden", "160"]),
        (
            "--attention blocks is a hand-written layer",
            ["--network", "gpt", "--attention", "blocks"],
        ),
        ("--attention blocks is a hand-written layer", ["--manual", "--attention", "blocks"]),
        ("only for mlp", ["--network", "gpt", "--loss", "cross-entropy"]),
        ("use autograd or manual", ["--network", "vit", "--backprop", "explicit"]),
        ("does not fit lstm", ["--network", "lstm", "--dataset", "text"]),
        ("does not fit gpt: choose from text", ["--network", "gpt", "--dataset", "mnist"]),
        ("mlp does not read text", ["--text-dir", "."]),
        ("--warmup", ["--warmup", "-1"]),
        ("--half-life", ["--half-life", "-1"]),
        ("--clip", ["--clip", "-1"]),
        ("leave out --warmup, --half-life and --clip", ["--backprop", "explicit", "--clip", "1"]),
        ("--clip 0", ["--network", "gpt", "--precision", "16-mixed"]),
    ],
)
def test_wrong_options(capsys, says, arguments):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate …"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate …"),
    ],
)
def test_more_than_the_memory_holds(tmp_path, capsys, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("torch_models.classifier.build", fail)
    assert train(tmp_path, "--hidden", 60_000) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "choose a smaller --hidden than 60000" in line
