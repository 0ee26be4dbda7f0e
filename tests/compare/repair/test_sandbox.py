"""What runs apart can neither last nor write, and the last word that it sent counts."""

import os
import subprocess
import time

import pytest
import torch

from compare.repair.sandbox import bounded, run_apart


def test_the_last_word():
    def work(send):
        send({"a": 1})
        send({"a": torch.arange(3).sum().item()})

    assert run_apart(work, 30) == {"a": 3}


def test_the_last_word_before_it_raised():
    def work(send):
        send(1)
        raise RuntimeError("never seen")

    assert run_apart(work, 30) == 1


def test_it_is_killed_in_time():
    def work(send):
        send("first")
        while True:
            pass

    told = []
    start = time.monotonic()
    assert run_apart(work, 3, lambda: told.append(1)) == "first"
    assert time.monotonic() - start < 10
    assert told == [1]


def test_nothing_is_written(tmp_path):
    def tries(attempt):
        def work(send):
            try:
                attempt()
            except RuntimeError as error:
                send(type(error).__name__)
            else:
                send("done")

        return run_apart(work, 30)

    (tmp_path / "there").write_text("x")
    assert tries(lambda: open(tmp_path / "new", "w")) == "ForbiddenError"  # noqa: SIM115
    assert tries(lambda: os.remove(tmp_path / "there")) == "ForbiddenError"
    assert tries(lambda: subprocess.run(["true"], check=True)) == "ForbiddenError"
    assert [p.name for p in tmp_path.iterdir()] == ["there"]


def test_memory_is_limited():
    def work(send):
        try:
            torch.zeros(2**36)
        except RuntimeError:
            send("refused")

    assert run_apart(work, 30) == "refused"


def test_files_are_read_only_where_that_is_asked(tmp_path):
    (tmp_path / "there").write_text("x")

    def work(send):
        try:
            send((tmp_path / "there").read_text())
        except RuntimeError as error:
            send(type(error).__name__)

    assert run_apart(work, 30) == "x"
    assert run_apart(work, 30, reads=False) == "ForbiddenError"


def test_a_loop_that_does_not_end_is_left():
    def loop():
        while True:
            pass

    with pytest.raises(TimeoutError), bounded(0.05):
        loop()
