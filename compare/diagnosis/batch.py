"""Only some samples of the batch, or each with a weight of its own."""

import torch
from torch import Tensor

from compare.diagnosis.clues import Clue, Clues
from compare.diagnosis.mistake import Diagnosis, Mistake

_SAMPLES = 64  # for each of which one vjp is taken
_ELEMENTS = 20_000  # of a gradient that are looked at


def part(clues: Clues) -> Diagnosis | None:
    """Some samples' contributions are missing, in a sum over the batch or in an input's rows."""
    if len(clues.trials) < len(clues.all):
        return None
    small = [trial for trial in clues.wrong() if trial.of_input or trial.samples <= _SAMPLES]
    seen = []
    for trial in small:
        if (weights := _weights(trial)) is None:
            return None
        seen.append(weights)
    found = [weights for weights in seen if len(weights) > 1]
    if not found:
        return None
    weights = found[0]
    there = (weights.abs() > 1e-3).nonzero().flatten().tolist()
    kept = weights[there]
    if len(there) == len(weights):
        return None
    factor = float(kept.mean()) if len(there) else 0.0
    if len(there) and bool((kept - factor).abs().max() > 1e-3 * abs(factor)):
        return None
    scaled = "" if abs(factor - 1) < 1e-3 else f", times {factor:.4g}"
    return Diagnosis(
        Mistake.PART_OF_BATCH,
        f"it uses only {_which(there, len(weights))} of the {len(weights)} samples{scaled}",
        factor,
    )


def _weights(trial: Clue) -> Tensor | None:
    """How much of each sample's contribution manual has; None where that does not explain it."""
    n = trial.samples
    if trial.g.dim() and trial.g.shape[0] != n:
        return None
    if trial.of_input and trial.t.dim() and trial.t.shape[0] == n:
        parts = torch.zeros(n, *trial.t.shape, dtype=torch.float64)
        parts[range(n), range(n)] = trial.t
    elif not trial.g.dim():
        return None
    else:
        found = []
        for i in range(n):
            if (of_this := _of_sample(trial, i)) is None:
                return None
            found.append(of_this)
        parts = torch.stack(found)
    matrix = parts.reshape(n, -1).T
    return _subset(trial, matrix) if n > 1 else _fitted(trial, matrix)


def _of_sample(trial: Clue, i: int) -> Tensor | None:
    mask = torch.zeros(trial.samples, *[1] * (trial.g.dim() - 1), dtype=torch.float64)
    mask[i] = 1
    return trial.vjp(incoming=[g * mask for g in trial.evidence.incoming])


def _subset(trial: Clue, matrix: Tensor) -> Tensor | None:
    """One of the parts of a batch that people take, or else any that explains it."""
    n = matrix.shape[1]
    half = n // 2
    parts = [range(n), [0], [n - 1], range(n - 1), range(1, n), range(half), range(half, n)]
    parts += [range(0, n, 2), range(1, n, 2)]
    for chosen in parts:
        weights = torch.zeros(n, dtype=torch.float64)
        weights[list(chosen)] = 1
        if trial.is_near((matrix @ weights).reshape(trial.t.shape)):
            return weights
    return _fitted(trial, matrix)


def _fitted(trial: Clue, matrix: Tensor) -> Tensor | None:
    """Least squares; of a sample that contributes nothing, all is there."""
    if matrix.shape[0] < matrix.shape[1]:  # more samples than numbers: any sum can be made up
        return None
    step = max(1, len(matrix) // _ELEMENTS)
    solved = torch.linalg.lstsq(
        matrix[::step], trial.m.flatten()[::step, None], driver="gelsd"
    ).solution.flatten()
    weights = torch.where(matrix.abs().amax(0) > 0, solved, 1.0)
    return weights if trial.is_near((matrix @ weights).reshape(trial.t.shape)) else None


def _which(there: list[int], n: int) -> str:
    if not there:
        return "none"
    if len(there) == 1:
        return {0: "the first", n - 1: "the last"}.get(there[0], f"number {there[0]}")
    if there == list(range(there[0], there[-1] + 1)):
        if there[0] == 0:
            return f"the first {len(there)}"
        return f"the last {len(there)}" if there[-1] == n - 1 else f"{there[0]} to {there[-1]}"
    if there == list(range(there[0], n, 2)):
        return "every second"
    return f"{len(there)}"
