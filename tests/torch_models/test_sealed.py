"""A checkpoint with another bit than was saved, or with other contents, trains nothing."""

import copy
import os
import random
import time

import pytest
import torch

from tests.torch_models.short_trainings import train_digits
from torch_models.checkpoints import WrittenAside
from torch_models.resume import CheckpointError, read
from torch_models.sealed import DamagedError

OPTIONS = ("--manual", "--hidden", 3, "--train-size", 40, "--dashboards", "off")


def resume(folder, path):
    return train_digits(folder, *OPTIONS, "--epochs", 2, "--resume", path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    assert train_digits(folder, *OPTIONS, "--epochs", 1) == 0
    return folder


@pytest.fixture
def last(trained):
    return trained / "manual/version_0/checkpoints/last.ckpt"


def flipped(data, bit):
    data = bytearray(data)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def places(size):
    """Bits all over a file, and all of its last bytes, which hold the checksum."""
    return [*random.Random(0).sample(range(8 * size), 200), *range(8 * (size - 100), 8 * size, 5)]


def test_every_flipped_bit_is_found(last, tmp_path):
    data, path = last.read_bytes(), tmp_path / "flipped.ckpt"
    for bit in places(len(data)):
        path.write_bytes(flipped(data, bit))
        with pytest.raises(DamagedError):
            WrittenAside().load_checkpoint(path)


def test_torch_reads_it(last):
    assert torch.load(last, weights_only=True)["epoch"] == 0


def test_without_a_checksum_the_records_are_verified(last, tmp_path, capsys):
    """As torch.save alone, and older versions, leave it."""
    contents, path = torch.load(last, weights_only=True), tmp_path / "older.ckpt"
    torch.save(contents, path)
    assert str(read(path)) == str(contents)
    assert "older.ckpt has no checksum" in capsys.readouterr().out
    data = path.read_bytes()
    for bit in places(len(data)):
        path.write_bytes(flipped(data, bit))
        try:
            found = read(path)
        except CheckpointError:
            continue
        assert str(found) == str(contents)  # nothing is in that bit


def changed(*names, to=None, drop=False):
    def change(contents):
        *parents, last = names
        for name in parents:
            contents = contents[name]
        if drop:
            del contents[last]
        else:
            contents[last] = to

    return change


FIT = ("loops", "fit_loop")
STATE = ("optimizer_states", 0, "state")
MALFORMED = {
    "no fit_loop": changed(*FIT, drop=True),
    "fit_loop without a counter": changed(*FIT, "epoch_progress", drop=True),
    "negative counter": changed(*FIT, "epoch_progress", "current", "ready", to=-1),
    "in the middle of an epoch": changed(*FIT, "epoch_loop.batch_progress", "is_last_batch", to=0),
    "other steps": changed(
        *FIT, "epoch_loop.manual_optimization.optim_step_progress", "total", "completed", to=7
    ),
    "epoch": changed("epoch", to=-1),
    "epoch that was not": changed("epoch", to=3),
    "global_step": changed("global_step", to=10**9),
    "velocity of another shape": changed(*STATE, 0, "momentum_buffer", to=torch.zeros(3)),
    "velocity of another dtype": changed(*STATE, 1, "momentum_buffer", to=torch.zeros(3).double()),
    "velocity of nothing": changed(*STATE, 9, to={"momentum_buffer": torch.zeros(3)}),
    "no velocity": changed(*STATE, 0, drop=True),
    "another learning rate": changed("optimizer_states", 0, "param_groups", 0, "lr", to=7.0),
    "parameters": changed("optimizer_states", 0, "param_groups", 0, "params", to=[0]),
    "groups": changed("optimizer_states", 0, "param_groups", to=[]),
    "schedulers": changed("lr_schedulers", to=[{}]),
    "version": changed("pytorch-lightning_version", to="two"),
    "no callbacks": changed("callbacks", drop=True),
    "callbacks": changed("callbacks", to=3),
    "hyperparameter": changed("hyper_parameters", "lr", to=torch.ones(2)),
    "weight": changed("state_dict", "network.0.weight", to=torch.zeros(3, 784).to_sparse()),
    "weight on meta": changed("state_dict", "network.0.bias", to=3),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_contents_are_refused_in_one_line(name, trained, last, tmp_path, capsys):
    contents = copy.deepcopy(torch.load(last, weights_only=True))
    MALFORMED[name](contents)
    WrittenAside().save_checkpoint(contents, tmp_path / "malformed.ckpt")
    assert resume(trained, tmp_path / "malformed.ckpt") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "malformed.ckpt" in error


def fifo(path):
    os.mkfifo(path)


def sparse(path):
    path.touch()
    os.truncate(path, 10 * 2**30)


def sparse_with_an_end(path):
    torch.save({"epoch": 1}, path)
    data = path.read_bytes()
    os.truncate(path, 10 * 2**30)
    with path.open("r+b") as file:
        file.seek(-22, os.SEEK_END)
        file.write(data[-22:])


def loop(path):
    path.symlink_to(path.name)


@pytest.mark.parametrize("make", [fifo, sparse, sparse_with_an_end, loop, os.mkdir])
def test_what_is_no_checkpoint_is_refused_at_once(make, trained, tmp_path, capsys):
    path = tmp_path / "strange.ckpt"
    make(path)
    before = time.process_time()
    assert resume(trained, path) == 2
    assert time.process_time() - before < 5
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "strange.ckpt" in error


@pytest.mark.parametrize("make", [fifo, sparse, loop, os.mkdir])
def test_data_that_are_no_file_are_refused_at_once(make, tmp_path, capsys):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    make(raw / "train-images-idx3-ubyte.gz")
    arguments = ("--dataset", "mnist", "--data-dir", tmp_path, "--epochs", 1)
    assert train_digits(tmp_path / "logs", *arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "train-images-idx3-ubyte.gz" in error
