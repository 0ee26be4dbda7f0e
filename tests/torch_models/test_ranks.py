"""Two processes that train together end where one does."""

import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.exhaustive import some
from tests.forked import Started, wait
from torch_models import train
from torch_models.batches import ShuffledBatches

CPU = ["--accelerator", "cpu"]
OPTIONS = ["--dataset", "digits", "--hidden", "8", *CPU]
EXACT = ["--precision", "64-true"]
TWO = ["--devices", "2", "--strategy", "ddp"]
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}


def saved(logs):
    [path] = logs.glob("*/version_*/checkpoints/last.ckpt")
    return torch.load(path, weights_only=True)["state_dict"]


def points(logs):
    [run] = logs.glob("*/version_*")
    events = EventAccumulator(str(run))
    events.Reload()
    tags = ("loss/train", "loss/val")
    # Of files that are begun in the same second, TensorBoard reads that of the lower process first.
    return {
        f"{tag} {i} {point.step}": point.value
        for tag in tags
        for i, point in enumerate(sorted(events.Scalars(tag), key=lambda point: point.step))
    }


def test_ranks_share_each_batch():
    data = torch.arange(21.0).view(21, 1), torch.arange(21)
    one = list(ShuffledBatches(*data, 4, seed=5))
    shares = [list(ShuffledBatches(*data, 4, seed=5, rank=r, ranks=2)) for r in (0, 1)]
    # The last batch has one image, which two cannot share.
    assert [len(share) for share in shares] == [len(one) - 1] * 2
    for whole, left, right in zip(one, *shares, strict=False):
        assert sorted([*left[1], *right[1]]) == sorted(whole[1])
    with pytest.raises(ValueError, match="share"):
        ShuffledBatches(*data, 3, ranks=2)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """What three epochs of one process leave, and what it prints."""
    logs = tmp_path_factory.mktemp("one")
    options = [*OPTIONS, *EXACT, "--manual", "--epochs", "3", "--log-dir", str(logs)]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert train.main(options) == 0
    return SimpleNamespace(logs=logs, said=said.getvalue())


def in_two(start, *options):
    """What two processes print that train together."""
    options = [*TWO, *EXACT, *options]
    if start == "forked":
        done = [process.end() for process in two_forked(options)]
        assert [each.returncode for each in done] == [0, 0], done
        return "".join(each.stdout for each in done)
    python = [sys.executable, "-m"]
    if start == "torchrun":
        python += ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    command = [*python, "torch_models.train", *options]
    done = subprocess.run(command, capture_output=True, text=True, env=ONE_THREAD)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rank_of_two(rank, port):
    """What torchrun tells a process that it starts, told to one that is forked."""
    of_all = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    of_all |= {"MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "none", "GROUP_RANK": "0"}
    os.environ.update(of_all, RANK=str(rank), LOCAL_RANK=str(rank))
    rank_zero_only.rank = rank  # Lightning reads it when it is imported


def two_forked(options):
    """As torchrun starts two, without the imports."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return [Started(train.main, options, partial(rank_of_two, rank, port)) for rank in (0, 1)]


def epochs(said):
    return re.findall("^epoch (.)", said, re.MULTILINE)


def figures(said):
    each = "train loss ([0-9.]+) accuracy ([0-9.]+)  val loss ([0-9.]+) accuracy ([0-9.]+)"
    return re.findall(each, said)


def assert_ends_as(one, logs):
    # Logged by one of the two alone: an epoch has one point, at the step of the one process.
    assert points(logs) == pytest.approx(points(one.logs), rel=1e-6)
    ours, theirs = saved(logs), saved(one.logs)
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, rtol=1e-9, atol=1e-11)


@pytest.mark.multiprocess
@pytest.mark.parametrize("start", some(["forked"], ["forked", "torchrun"]))
def test_one_goes_on_where_two_ended(one, tmp_path, capsys, start):
    """Gradients that were not averaged right would not stay hidden: the weights are compared."""
    options = [*OPTIONS, "--backprop", "autograd", "--log-dir", str(tmp_path), "--epochs"]
    assert epochs(in_two(start, *options, "1")) == ["1"]
    assert train.main([*EXACT, *options, "3", "--resume", "last"]) == 0
    assert epochs(capsys.readouterr().out) == ["2", "3"]
    assert_ends_as(one, tmp_path)


@pytest.mark.multiprocess
@pytest.mark.parametrize("start", some(["forked"], ["forked", "lightning"]))
def test_two_go_on_where_one_ended(one, tmp_path, capsys, start):
    options = [*OPTIONS, "--backprop", "manual", "--log-dir", str(tmp_path), "--epochs"]
    assert train.main([*EXACT, *options, "1"]) == 0
    said = in_two(start, *options, "3", "--resume", "last")
    assert epochs(said) == ["2", "3"]
    assert len(re.findall("^test loss", said, re.MULTILINE)) == 1
    assert figures(said) == figures(one.said)[1:]
    assert_ends_as(one, tmp_path)


@pytest.mark.multiprocess
def test_tied_weights_and_clipping_in_two(tmp_path):
    """Gradients are averaged before they are clipped, and once for a weight that is used twice."""
    text = tmp_path / "text"
    text.mkdir()
    (text / "a.txt").write_bytes(bytes(range(256)) * 4)
    options = ["--network", "gpt", "--text-dir", str(text), "--val-size", "2", "--clip", "0.1"]
    options += [*CPU, "--epochs", "1", "--batch-size", "2", "--log-dir"]
    assert train.main([*EXACT, *options, str(tmp_path / "one")]) == 0
    in_two("forked", *options, str(tmp_path / "two"))
    ours, theirs = saved(tmp_path / "two"), saved(tmp_path / "one")
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, rtol=1e-9, atol=1e-11)


def running(session):
    """Processes of the session that are not just waiting to be buried."""
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat")]
    fields = [stat.rpartition(")")[2].split() for stat in stats]
    return [
        state
        for state, _, _, its_session, *_ in fields
        if int(its_session) == session and state != "Z"
    ]


@pytest.mark.multiprocess
@pytest.mark.parametrize("victim", [0, 1])
def test_one_rank_killed_stops_the_other(tmp_path, victim):
    both = two_forked([*TWO, *OPTIONS, "--epochs", "100000", "--log-dir", tmp_path])
    wait(lambda: "epoch" in both[0].said())
    os.kill(both[victim].pid, signal.SIGKILL)
    left = both[1 - victim].end()
    assert left.returncode == 1
    assert both[victim].end().returncode == -signal.SIGKILL
    [line] = left.stderr.splitlines()
    assert "another process of this training has ended" in line


@pytest.mark.multiprocess
@pytest.mark.parametrize("victim", some([], ["first", "second"]))
def test_one_killed_of_two_that_lightning_started(tmp_path, victim):
    command = [sys.executable, "-u", "-m", "torch_models.train", *TWO, *OPTIONS]
    training = subprocess.Popen(
        [*command, "--epochs", "100000", "--log-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ONE_THREAD,
        start_new_session=True,
    )
    for line in training.stdout:
        if line.startswith("epoch"):
            break
    children = Path(f"/proc/{training.pid}/task/{training.pid}/children").read_text().split()
    os.kill(training.pid if victim == "first" else int(children[0]), signal.SIGKILL)
    _, error = training.communicate(timeout=120)
    assert training.returncode
    assert running(training.pid) == []
    [line] = error.splitlines()
    # Either the survivor notices first, or Lightning, which looks every five seconds, ends it.
    assert re.search("another process of this training has ended|terminated with code -9", line)


def test_what_two_cannot_do_is_one_line(tmp_path, capsys, monkeypatch):
    odd = [*OPTIONS, *TWO, "--batch-size", "127", "--log-dir", str(tmp_path)]
    assert train.main(odd) == 2
    assert capsys.readouterr().err.count("\n") == 1
    if not torch.cuda.is_available():
        gpu = ["--dataset", "digits", "--accelerator", "gpu", "--log-dir", str(tmp_path)]
        assert train.main(gpu) == 2
        error = capsys.readouterr().err
        assert "--accelerator gpu" in error
        assert error.count("\n") == 1
    assert train.main([*OPTIONS, *TWO, "--num-nodes", "2", "--log-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "with torchrun on each machine" in error
    assert error.count("\n") == 1
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun says to each process that it starts
    assert train.main([*OPTIONS, "--log-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "2 processes were started" in error
    assert error.count("\n") == 1
    monkeypatch.setattr("torch_models.ranks.is_first", lambda: False)
    assert train.main([*OPTIONS, "--precision", "16-mixed", "--log-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err == ""  # the first one says it
