"""The last exercise's reward: the learner's own step and backward pass learn real digits."""

import contextlib
import json
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from compare.exercises.answering import MEMORY, loads
from compare.exercises.causes import Cause
from compare.exercises.checking import WRONG, Verdict
from compare.exercises.exercise import Exercise
from compare.repair import sandbox

_SECONDS, _EPOCHS, _BATCH = 60.0, 20, 32
_SIZES = (64, 30, 10)
_ENOUGH = 0.85  # of the test digits; 0.93 is usual


def read_digits(exercise: Exercise, verdict: Verdict, text: str, file: str) -> Verdict:
    """Train on scikit-learn's digits, where it is installed, and say how many are read."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        said = "scikit-learn is not installed, so the network was not tried on digits"
        return Verdict(exercise.name, verdict.state, None, [said], verdict.printed)
    data = load_digits()
    x = torch.from_numpy(data.data) / 16
    labels = torch.from_numpy(data.target).long()

    def work(send: sandbox.Send) -> None:
        with contextlib.suppress(Exception):
            send(accuracy(loads(text, file)(), exercise.function, x, labels))

    share = sandbox.run_apart(
        work, _SECONDS, memory=MEMORY, encode=lambda n: json.dumps(n).encode(), decode=json.loads
    )
    if not isinstance(share, float) or share < _ENOUGH:
        said = "the step is correct, but nothing was learned: it must change W and b in place"
        return Verdict(exercise.name, WRONG, Cause("no training", said), [said], verdict.printed)
    said = (
        f"your own layers read {share:.1%} of {len(x[::5])} digits that were not used for training"
    )
    return Verdict(exercise.name, verdict.state, None, [said], verdict.printed)


def accuracy(names: Any, function: str, x: Tensor, labels: Tensor) -> float:
    """Of every fifth digit, after training on the others."""
    generator = torch.Generator().manual_seed(0)
    W, b = [], []
    for n, m in pairwise(_SIZES):
        W.append(torch.randn(m, n, generator=generator, dtype=torch.float64) / n**0.5)
        b.append(torch.zeros(m, dtype=torch.float64))
    velocities = [torch.zeros_like(p) for p in (*W, *b)]
    test = torch.arange(len(x)) % 5 == 0
    y = torch.nn.functional.one_hot(labels, 10).double()
    with torch.no_grad():
        for _ in range(_EPOCHS):
            order = torch.randperm(int((~test).sum()), generator=generator)
            for rows in order.split(_BATCH):
                names[function](x[~test][rows], y[~test][rows], W, b, velocities, 0.1, 0.9)
        output = names["forward"](x[test], W, b)[-1]
    return float((output.argmax(1) == labels[test]).double().mean())
