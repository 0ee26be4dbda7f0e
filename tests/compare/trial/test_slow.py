"""Who is asked on long inputs, too: whoever computes for long is not."""

import time

import pytest
import torch

from compare import compare_gradients
from compare.trial.case import Case
from compare.trial.question import Question
from compare.trial.trial import is_slow
from tests.compare.by_hand import by_hand


def computing(x):
    until = time.thread_time() + 0.05
    while time.thread_time() < until:
        x = x.sin()
    return x


def waiting(x):
    """As on a machine that does something else."""
    time.sleep(0.05)
    return x.sin()


class LoadingFirst:
    def __init__(self):
        self.called = False

    def __call__(self, x):
        if not self.called:
            self.called = True
            return computing(x)
        return x.sin()


@pytest.mark.parametrize(
    ("model", "slow"), [(computing, True), (waiting, False), (LoadingFirst(), False)]
)
def test_what_is_slow(model, slow):
    given = Question(model, model, [torch.randn(3, 2)]).given
    assert is_slow(given, Case(model)) == slow


def test_a_busy_machine_hides_nothing():
    """Wrong beyond 128 samples."""

    def backward(g, x):
        return g * x.cos() * (torch.arange(len(x)) < 128)[:, None]

    def reference(x):
        if len(x) == 6:
            time.sleep(0.03)
        return x.sin()

    report = compare_gradients(by_hand(torch.sin, backward), reference, torch.randn(6, 2), repair=0)
    assert not report.passed
