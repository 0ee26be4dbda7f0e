"""A training that is killed again and again ends as if it had never been."""

import os
import random
import shutil
import signal
import time

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.forked import Started, forked, wait
from torch_models import classifier, train

OPTIONS = ["--manual", "--dataset", "digits", "--hidden", "8", "--epochs", "40"]


def kill_again_and_again(logs, options, times):
    """Kills a training in its first epoch, then at moments drawn at random after a checkpoint.

    Gives how often it was killed before its end.
    """

    def saved():
        found = list(logs.glob("*/*/checkpoints/last.ckpt"))
        return found and found[0].stat().st_mtime_ns

    draw, killed = random.Random(0), 0
    for trial in range(4 * times):
        if killed == times:
            break
        before = saved()
        child = Started(train.main, [*options, *(["--resume", "last"] if trial else [])])
        if trial == 0:
            wait(lambda: list(logs.glob("*/*/events*")))
        else:
            wait(lambda before=before: saved() != before)
            time.sleep(draw.uniform(0, 0.05))
        os.kill(child.pid, signal.SIGKILL)
        killed += child.end().returncode == -signal.SIGKILL
    return killed


def curves(logs):
    [run] = logs.glob("*/version_*")
    events = EventAccumulator(str(run))
    events.Reload()
    return {
        tag: sorted((event.step, event.value) for event in events.Scalars(tag))
        for tag in sorted(events.Tags()["scalars"])
        if tag.startswith(("loss/", "accuracy/"))
    }


def weights(logs):
    [path] = logs.glob("*/version_*/checkpoints/last.ckpt")
    return torch.load(path, weights_only=True)


def test_killed_ten_times(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train.main([*OPTIONS, "--log-dir", str(whole)]) == 0
    options = [*OPTIONS, "--log-dir", str(killed)]
    assert kill_again_and_again(killed, options, times=10) == 10
    assert forked(train.main, [*options, "--resume", "last"]).returncode == 0
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
