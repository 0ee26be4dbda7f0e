"""A checkpoint is whole or not there, whatever happens while it is written."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.forked import Started, forked, wait
from torch_models import train
from torch_models.checkpoints import NotSavedError, WrittenAside
from torch_models.interrupts import Interrupts
from torch_models.progress import EpochReport

SMALL = ["--dataset", "digits", "--hidden", "8", "--epochs", "3"]


def full_disk(checkpoint, file):
    file.write(b"half of it")
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    finally:  # as torch.save does when it closes what it has not finished
        raise RuntimeError("unexpected pos")


def test_the_one_before_survives_a_full_disk(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    WrittenAside().save_checkpoint({"epoch": 1}, path)
    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(NotSavedError, match=r"last\.ckpt cannot be written: No space left"):
        WrittenAside().save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_ctrl_c_while_saving_is_ctrl_c(tmp_path, monkeypatch):
    def interrupted(checkpoint, file):
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("unexpected pos")

    path = tmp_path / "last.ckpt"
    WrittenAside().save_checkpoint({"epoch": 1}, path)
    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        WrittenAside().save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_what_a_killed_training_left_aside_is_removed(tmp_path):
    (tmp_path / ".last.ckpt-abc").write_bytes(b"half of it")
    WrittenAside().save_checkpoint({"epoch": 1}, tmp_path / "last.ckpt")
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotSavedError, match=r"cannot be written: File exists"):
        WrittenAside().save_checkpoint({}, tmp_path / "file" / "last.ckpt")


def test_a_run_that_is_gone_is_not_made_again(tmp_path):
    with pytest.raises(NotSavedError, match="No such file or directory"):
        WrittenAside().save_checkpoint({}, tmp_path / "version_0" / "checkpoints" / "last.ckpt")


def one_line(capsys):
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_training_on_a_full_disk_is_one_line(tmp_path, monkeypatch, capsys):
    save, saved = torch.save, []

    def full_later(checkpoint, file):
        (save if len(saved) < 2 else full_disk)(checkpoint, file)
        saved.append(checkpoint["epoch"])

    monkeypatch.setattr(torch, "save", full_later)
    assert train.main([*SMALL, "--log-dir", str(tmp_path)]) == 1
    [last] = tmp_path.glob("*/*/checkpoints/last.ckpt")
    line = one_line(capsys)
    assert "No space left on device" in line
    assert f"the last good checkpoint is {last}" in line
    assert torch.load(last, weights_only=True)["epoch"] == 0


@pytest.mark.parametrize("instead", ["nothing", "a file"])
def test_folder_that_vanishes(tmp_path, monkeypatch, capsys, instead):
    end_of_epoch = EpochReport.on_train_epoch_end

    def vanish(self, trainer, module):
        end_of_epoch(self, trainer, module)
        if trainer.current_epoch == 1:
            shutil.rmtree(tmp_path / "autograd")
            if instead == "a file":
                (tmp_path / "autograd").write_text("")

    monkeypatch.setattr(EpochReport, "on_train_epoch_end", vanish)
    assert train.main([*SMALL, "--log-dir", str(tmp_path)]) == 1
    line = one_line(capsys)
    assert "version_0 is gone, with its checkpoints" in line
    assert "cannot be written" in line


def killed_while_writing(number):
    """Ends this process in the middle of the checkpoint of this number, counted from 1."""
    save, n = torch.save, [number]

    def dying(checkpoint, file):
        n[0] -= 1
        if n[0] == 0:
            file.write(b"half of it")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        save(checkpoint, file)

    torch.save = dying


def weights(run):
    [path] = run.glob("*/*/checkpoints/last.ckpt")
    return torch.load(path, weights_only=True)["state_dict"]


def test_killed_while_saving_goes_on_and_ends_the_same(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train.main([*SMALL, "--log-dir", str(whole)]) == 0
    options = [*SMALL, "--log-dir", str(killed)]
    # Each epoch saves two: the fourth is the last one of the second epoch.
    done = forked(train.main, options, before=partial(killed_while_writing, 4))
    assert done.returncode == -signal.SIGKILL
    assert train.main([*options, "--resume", "last"]) == 0
    ours, theirs = weights(killed), weights(whole)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupts_wait_for_the_end_of_a_batch(number):
    before = signal.getsignal(number)
    with (interrupts := Interrupts()):
        interrupts.on_train_batch_end()
        os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt):
            interrupts.on_train_batch_end()
        with pytest.raises(KeyboardInterrupt):  # who asks twice is answered at once
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_before_it_began_is_one_line(tmp_path, number):
    command = [sys.executable, "-m", "torch_models.train", "--log-dir", str(tmp_path)]
    training = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "libtorch" not in Path(f"/proc/{training.pid}/maps").read_text():
        assert training.poll() is None
        time.sleep(0.01)  # until it is in the middle of the imports
    training.send_signal(number)
    _, error = training.communicate(timeout=60)
    assert training.returncode == 130
    assert error == "python -m torch_models.train: error: interrupted\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_from_outside_says_how_to_go_on(tmp_path, number):
    options = ["--dataset", "digits", "--epochs", "100000", "--log-dir", tmp_path]
    training = Started(train.main, options)
    wait(lambda: " 2/100000" in training.said())
    os.kill(training.pid, number)
    done = training.end()
    assert done.returncode == 130, done.stderr
    assert "--resume last repeats it" in done.stdout
    assert done.stderr.splitlines() == ["python -m torch_models.train: error: interrupted"]
    assert list(tmp_path.glob("*/*/checkpoints/last.ckpt"))
