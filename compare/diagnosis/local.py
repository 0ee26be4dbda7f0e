"""One wrong local derivative: the reference's backward with a single step changed.

A backward is a product of local derivatives, summed over the ways back. Whoever gets one of them
wrong computes what the reference computes with that one step changed: left out, handed on as it
came, with the wrong sign or factor, with another operand, or with another function's derivative.
Each change is tried on the first trial, and holds only if it explains all of them.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import islice

from torch import Tensor

from compare.diagnosis import scale
from compare.diagnosis.clues import Clue, Clues
from compare.diagnosis.graph import Change, Graph
from compare.diagnosis.mistake import Diagnosis
from compare.diagnosis.steps import Guess, guesses, shown, without

_MOST = 800  # backwards with one step changed, at most


def changed(clues: Clues) -> Diagnosis | None:
    """What the reference computes with one step of its backward changed."""
    first = clues.first
    if first.found is None or first.m.shape != first.t.shape:
        return None
    for which, graph in enumerate(first.graphs):
        for guess in _fitting(first, which, graph):

            def asked(trial: Clue, which: int = which, guess: Guess = guess) -> Tensor | None:
                return _asked(trial, which, guess.steps, guess.change)

            if clues.explained_by(asked):
                return Diagnosis(guess.mistake, guess.sentence, guess.factor)
        if found := _scaled(clues, which):
            return found
    return None


def _fitting(first: Clue, which: int, graph: Graph) -> Iterator[Guess]:
    """Those that explain this trial; tried once, however often they are asked for."""
    if which in first.fitting:
        yield from first.fitting[which]
        return
    found = []
    for guess in islice(guesses(first, graph), _MOST):
        guessed = _asked(first, which, guess.steps, guess.change)
        if guessed is not None and first.is_near(guessed):
            found.append(guess)
            yield guess
    first.fitting[which] = found


def _asked(
    trial: Clue, which: int, steps: Sequence[tuple[int, int]], change: Change
) -> Tensor | None:
    if which >= len(trial.graphs):
        return None
    graph = trial.graphs[which]
    return graph.gradient(trial.gradient, trial.evidence.incoming, steps, change)


def _scaled(clues: Clues, which: int) -> Diagnosis | None:
    """What comes back through one step times a number."""
    graph = clues.first.graphs[which]
    for step in graph.steps():
        factors: scale.Factors = []
        for trial in clues.all:
            c = None if trial.found is None else _times(trial, which, step)
            if c is None:
                break
            if not math.isnan(c):
                factors.append((trial, c))
        else:
            if factors and (found := scale.named(factors)):
                operand, whole = shown(graph, [step])
                said = f"the gradient through {operand} in {whole}: {found.sentence}"
                return Diagnosis(found.mistake, said, found.factor)
    return None


def _times(trial: Clue, which: int, step: tuple[int, int]) -> float | None:
    """The number; NaN where nothing comes through, None where that does not explain it."""
    rest = _asked(trial, which, [step], without)
    if rest is None or rest.shape != trial.m.shape:
        return None
    through = trial.t - rest
    square = float((through * through).sum())
    if square <= 1e-24 * float((trial.t * trial.t).sum()):
        return math.nan if trial.is_near(trial.t) else None
    c = float(((trial.m - rest) * through).sum()) / square
    return c if trial.is_near(rest + c * through) else None
