"""What only the whole Jacobian tells: each number of a gradient is a sum of terms ∂a/∂x · g.

Asked for small layers alone: it takes one backward for each output.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from compare.diagnosis.clues import Clue, Clues
from compare.diagnosis.mistake import Diagnosis, Mistake

_OUTPUTS = 600  # of a trial that is asked, at most
_TRIALS = 4  # in which it is wrong, that are looked at
_FEW = 8  # factors that are called a pattern


def overwritten(clues: Clues) -> Diagnosis | None:
    """Where several outputs add to one number, only one of them is there."""
    if _in_all(clues, _is_overwritten):
        return Diagnosis(
            Mistake.OVERWRITTEN,
            "where several outputs contribute to one element, only one of them counts: "
            "overwritten (`=`) instead of accumulated (`+=`)",
        )
    return None


def rescaled(clues: Clues) -> Diagnosis | None:
    """Each output's share by a factor of its own, one of a few."""
    seen: list[list[float]] = []

    def holds(trial: Clue, terms: Tensor) -> bool:
        seen.append(_shares(trial, terms))
        return bool(seen[-1])

    if not _in_all(clues, holds, every=True):
        return None
    found = sorted({c for shares in seen for c in shares})
    shown = ", ".join(f"{c:.3g}" for c in found[:_FEW])
    return Diagnosis(
        Mistake.FACTOR,
        f"the contribution of each output is off by a factor of its own, one of {shown}: divided "
        "by a different number of elements than in the forward",
    )


def turned_on(clues: Clues) -> Diagnosis | None:
    """J g for Jᵀ g: the forward's own matrix, not transposed."""

    def forwards(trial: Clue) -> Tensor | None:
        terms = _terms(trial) if trial.g.shape == trial.t.shape else None
        if terms is None:
            return None
        jacobian = terms / trial.g.reshape(-1, 1)
        return (jacobian @ trial.g.flatten()).reshape(trial.t.shape)

    wrong = [t for t in clues.wrong() if t.g.numel() <= _OUTPUTS and bool(t.g.all())][:_TRIALS]
    if wrong and all((guess := forwards(t)) is not None and t.is_near(guess) for t in wrong):
        return Diagnosis(
            Mistake.TRANSPOSED,
            "the incoming gradient is multiplied by the forward's own matrix instead of "
            "its transpose",
        )
    return None


def _in_all(clues: Clues, holds: Callable[[Clue, Tensor], bool], *, every: bool = False) -> bool:
    small = [t for t in clues.wrong() if t.g.numel() <= _OUTPUTS and bool(t.g.all())]
    small = small if every else small[:_TRIALS]
    if len(small) < 2 or len(clues.trials) < len(clues.all):
        return False
    for trial in small:  # most guesses fail on the first
        terms = _terms(trial)
        if terms is None or not holds(trial, terms):
            return False
    return True


def _terms(trial: Clue) -> Tensor | None:
    """∂a/∂x · g of each output (rows) and each number of the gradient (columns)."""
    n = trial.g.numel()
    if n > _OUTPUTS or not trial.graphs or len(trial.evidence.incoming) != 1:
        return None
    graph, rows = trial.graphs[-1], []
    for i, g in enumerate(trial.g.flatten()):
        one = torch.zeros(n, dtype=torch.float64)
        one[i] = g
        row = graph.gradient(trial.gradient, [one.reshape(trial.g.shape)])
        if row is None:
            return None
        rows.append(row.flatten())
    return torch.stack(rows)


def _is_overwritten(trial: Clue, terms: Tensor) -> bool:
    m, t, near = trial.m.flatten(), trial.t.flatten(), trial.tolerance(trial.t)
    off = (m - t).abs() > near
    several = (terms.abs() > near).sum(0) > 1
    one_of_them = ((terms - m).abs() <= near).any(0) & (m.abs() > near)
    return bool(off.any()) and bool((several & one_of_them)[off].all())


def _shares(trial: Clue, terms: Tensor | None) -> list[float]:
    """The factors, where these explain it and are few."""
    if terms is None or terms.shape[1] < 1.2 * terms.shape[0]:
        return []
    found = torch.linalg.lstsq(terms.T, trial.m.reshape(-1, 1), driver="gelsd").solution.flatten()
    if not trial.is_near((found @ terms).reshape(trial.t.shape)):
        return []
    used = found[terms.abs().amax(1) > 1e-3 * terms.abs().max()]
    values = sorted({round(float(c), 3) for c in used})
    return values if len(values) <= _FEW else []
