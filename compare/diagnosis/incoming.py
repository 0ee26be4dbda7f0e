"""A gradient that belongs to another incoming gradient than the one that came in, or to none."""

import torch
from torch import Tensor

from compare.diagnosis.clues import Clue, Clues
from compare.diagnosis.mistake import Diagnosis, Mistake


def first_for_all(clues: Clues) -> Diagnosis | None:
    """m = vjp(g₀ 1): the first element is taken for all of them."""

    def of_the_first(trial: Clue) -> Tensor | None:
        firsts = [torch.full_like(g, float(g.flatten()[0])) for g in trial.evidence.incoming]
        return trial.vjp(incoming=firsts)

    if clues.explained_by(of_the_first):
        return Diagnosis(
            Mistake.IGNORES_INCOMING,
            "it uses the first element of the incoming gradient for every element",
        )
    return None


def never_changes(clues: Clues) -> Diagnosis | None:
    """m is one tensor on one input, whatever comes in."""
    there = _on_one_input(clues)
    if len(there) > 1 and all(t.is_near(there[0].m) for t in there):
        return Diagnosis(
            Mistake.IGNORES_INCOMING, "it is the same whatever the incoming gradient is"
        )
    return None


def always_adds(clues: Clues) -> Diagnosis | None:
    """m − t is one tensor on one input, whatever comes in."""
    there = _on_one_input(clues)
    if len(there) < 2:
        return None
    added = there[0].m - there[0].t
    if all(t.is_near(t.t + added) for t in there):
        return Diagnosis(
            Mistake.ADDED,
            f"something is added to it that does not depend on the incoming gradient, "
            f"up to {float(added.abs().max()):.3g}",
        )
    return None


def _on_one_input(clues: Clues) -> list[Clue]:
    """The wrong ones on the first input, where what is right differs from one to another."""
    wrong = [t for t in clues.wrong() if t.evidence.input == clues.first.evidence.input]
    same = all(t.is_near(wrong[0].t) or wrong[0].is_near(t.t) for t in wrong[1:])
    return [] if same else wrong
