"""A training that is killed again and again ends as if it had never been."""

import shutil
import subprocess
import sys

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from torch_models import classifier, train

OPTIONS = ["--manual", "--dataset", "digits", "--hidden", "8", "--epochs", "40"]

# Imports once, forks a training for each moment, kills it there, and lets the last one finish.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from torch_models import classifier, checkpoints, data, progress, resume, train
import sklearn.datasets

def start(arguments):
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        code = train.main(arguments)
    finally:
        os._exit(code)

options, logs = sys.argv[1:], Path(sys.argv[-1])
last = lambda: list(logs.glob("*/*/checkpoints/last.ckpt"))
draw, killed, trials = random.Random(0), 0, 0
while killed < 10 and trials < 40:
    trials += 1
    go_on = ["--resume", "last"] if trials > 1 else []
    before = last()[0].stat().st_mtime_ns if last() else 0
    child = start(options + go_on)
    limit = time.monotonic() + 60
    if trials == 1:  # in the first epoch
        while time.monotonic() < limit and not list(logs.glob("*/*/events*")):
            time.sleep(0.0005)
    else:
        while time.monotonic() < limit and not (last() and last()[0].stat().st_mtime_ns != before):
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.05))
    os.kill(child, signal.SIGKILL)
    killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
code = os.waitstatus_to_exitcode(os.waitpid(start(options + ["--resume", "last"]), 0)[1])
sys.stderr.write(f"killed {killed}\\n")
sys.exit(code)
"""


def curves(logs):
    [run] = logs.glob("*/version_*")
    events = EventAccumulator(str(run))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in sorted(events.Tags()["scalars"])
        if tag.startswith(("loss/", "accuracy/"))
    }


def weights(logs):
    [path] = logs.glob("*/version_*/checkpoints/last.ckpt")
    return torch.load(path, weights_only=True)


def test_killed_ten_times(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train.main([*OPTIONS, "--log-dir", str(whole)]) == 0
    command = [sys.executable, "-c", KILLER, *OPTIONS, "--log-dir", str(killed)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "killed 10" in done.stderr
    ours, theirs = weights(killed), weights(whole)
    for name, weight in theirs["state_dict"].items():
        assert torch.equal(ours["state_dict"][name], weight)
    for ours_state, state in zip(
        ours["optimizer_states"][0]["state"].values(),
        theirs["optimizer_states"][0]["state"].values(),
        strict=True,
    ):
        assert torch.equal(ours_state["momentum_buffer"], state["momentum_buffer"])
    drawn = curves(whole)
    assert len(drawn["loss/train"]) == len(drawn["accuracy/val"]) == 40
    assert str(curves(killed)) == str(drawn)  # as text: the NaN that announces a metric is equal


def test_ended_in_the_first_epoch_starts_over_where_it_was(tmp_path, monkeypatch, capsys):
    whole, ended = tmp_path / "whole", tmp_path / "ended"
    options = [*OPTIONS[:-1], "2", "--log-dir"]
    assert train.main([*options, str(whole)]) == 0
    assert train.main([*options, str(ended)]) == 0  # an earlier run, to be left alone
    step = classifier.Classifier.training_step

    def interrupted(self, batches, i):
        step(self, batches, i)
        raise KeyboardInterrupt

    with monkeypatch.context() as ending:
        ending.setattr(classifier.Classifier, "training_step", interrupted)
        assert train.main([*options, str(ended), "--lr", "0.3"]) == 130
    assert train.main([*options, str(ended), "--resume", "last"]) == 0
    assert "version_1 over: it was interrupted in its first epoch" in capsys.readouterr().out
    shutil.rmtree(ended / "manual" / "version_0")
    for name, weight in weights(whole)["state_dict"].items():
        assert torch.equal(weights(ended)["state_dict"][name], weight)
    assert str(curves(ended)) == str(curves(whole))
    figures = [next(logs.glob("*/*/hparams.yaml")).read_text() for logs in (ended, whole)]
    assert figures[0] == figures[1]


def test_resumed_in_float64_is_exact(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = [*OPTIONS[:-2], "--precision", "64-true", "--epochs"]
    assert train.main([*options, "2", "--log-dir", str(whole)]) == 0
    assert train.main([*options, "1", "--log-dir", str(parts)]) == 0
    assert train.main([*options, "2", "--log-dir", str(parts), "--resume", "last"]) == 0
    ours, theirs = weights(parts)["state_dict"], weights(whole)["state_dict"]
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
