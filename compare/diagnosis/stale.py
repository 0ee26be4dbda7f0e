"""A gradient that does not belong to what came in: none, an older one, one that never changes."""

import torch
from torch import Tensor

from compare.diagnosis.clues import Clue, Clues
from compare.diagnosis.mistake import Diagnosis, Mistake


def detached(clues: Clues) -> Diagnosis | None:
    """None, or zero, where there should be a gradient."""
    if all(trial.found is None for trial in clues.all):
        return Diagnosis(
            Mistake.DETACHED, "it is missing: detached from what it is computed from, or None"
        )
    in_question = [trial for trial in clues.trials if bool(trial.t.any())]
    if in_question and not any(bool(trial.m.any()) for trial in in_question):
        return Diagnosis(Mistake.DETACHED, "it is zero: detached, or never written", 0.0)
    return None


def ignores_incoming(clues: Clues) -> Diagnosis | None:
    """m = vjp(1): right only for an incoming gradient of ones."""

    def of_ones(trial: Clue) -> Tensor | None:
        return trial.vjp(incoming=[torch.ones_like(g) for g in trial.evidence.incoming])

    if clues.explained_by(of_ones):
        return Diagnosis(
            Mistake.IGNORES_INCOMING,
            "it does not depend on the incoming gradient, as if that were 1 everywhere",
        )
    return None


def unstrided(clues: Clues) -> Diagnosis | None:
    """Right for what lies in memory from where the incoming gradient begins."""
    if clues.explained_by(lambda trial: trial.vjp(incoming=trial.evidence.unstrided)):
        return Diagnosis(
            Mistake.READ_AS_CONTIGUOUS,
            "it reads the incoming gradient as if it were contiguous: its strides are ignored",
        )
    return None


def _always_the_same(clues: Clues) -> bool:
    """Whether manual has one answer to all incoming gradients, on what was given."""
    there = [t for t in clues.trials if t.evidence.input == clues.first.evidence.input]
    return len(there) > 1 and all(t.is_near(there[0].m) for t in there[1:])


def earlier(clues: Clues) -> Diagnosis | None:
    """What an earlier backward should have given, or that added to the right one."""
    wrong = list(clues.wrong())
    if len(wrong) < 2 or _always_the_same(clues):
        return None

    def has(trial: Clue, base: Tensor | float) -> bool:
        return any(
            other is not trial and other.t.shape == trial.t.shape and trial.is_near(base + other.t)
            for other in clues.trials
        )

    # The first of them may follow a backward that is not among these trials.
    if sum(has(trial, 0.0) for trial in wrong) >= len(wrong) - 1:
        return Diagnosis(
            Mistake.STALE, "it is a stale gradient: what an earlier backward should have given"
        )
    if sum(has(trial, trial.t) for trial in wrong) >= len(wrong) - 1:
        return Diagnosis(
            Mistake.TWICE, "the gradient of an earlier backward is still in it: it accumulates"
        )
    return None
