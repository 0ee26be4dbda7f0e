"""The right numbers in the wrong places: transposed, permuted, summed over another axis."""

import itertools
import math

import torch
from torch import Tensor

from compare.diagnosis.clues import Clue, Clues, Guess
from compare.diagnosis.mistake import Diagnosis, Mistake
from compare.trial.key import Kind


def wrong_shape(clues: Clues) -> Diagnosis | None:
    """A shape that does not fit, and what the numbers in it are."""
    trial = clues.first
    if trial.found is None or trial.found.shape == trial.t.shape:
        return None
    m, t = trial.m, trial.t
    shapes = f"shape {tuple(m.shape)} for {tuple(t.shape)}"
    if t.dim() > 1 and _near(trial, m, t.mT):
        return Diagnosis(Mistake.TRANSPOSED, f"it is transposed: {shapes}")
    for dims in itertools.combinations(range(m.dim()), max(m.dim() - t.dim(), 0)):
        if dims and _near(trial, m.sum(dims), t):
            over = "the batch" if dims == (0,) else f"dims {', '.join(map(str, dims))}"
            return Diagnosis(Mistake.NOT_SUMMED, f"it is not summed over {over}: {shapes}")
    if axis := _axis_summed(trial, m):
        return Diagnosis(Mistake.WRONG_AXIS, f"it is summed over the wrong axis, {axis}: {shapes}")
    if m.numel() == t.numel() and _near(trial, m.reshape(t.shape), t):
        return Diagnosis(Mistake.WRONG_SHAPE, f"right numbers in the wrong shape: {shapes}")
    return Diagnosis(Mistake.WRONG_SHAPE, f"it has the wrong shape: {shapes}")


def _axis_summed(trial: Clue, m: Tensor) -> str:
    for axis in range(trial.g.dim()):
        if m.shape == trial.g.sum(axis).shape and _near(trial, m, trial.g.sum(axis)):
            return f"dim {axis} of the incoming gradient"
    return ""


def _near(trial: Clue, m: Tensor, guess: Tensor) -> bool:
    if m.shape != guess.shape:
        return False
    return bool(((m - guess).abs() <= trial.tolerance(guess)).all())


def transposed(clues: Clues) -> Diagnosis | None:
    """m = tᵀ where both have the same shape."""
    dims = clues.first.t.dim()
    for i, j in itertools.combinations(reversed(range(dims)), 2):
        if clues.explained_by(lambda trial, i=i, j=j: trial.t.transpose(i, j)):  # type: ignore[misc]
            which = "" if dims == 2 else f" (dims {j} and {i})"
            return Diagnosis(Mistake.TRANSPOSED, f"it is transposed{which}")
    if clues.explained_by(lambda trial: _read_in_columns(trial.t)):
        return Diagnosis(
            Mistake.TRANSPOSED, "it is reshaped where it should be transposed: rows read as columns"
        )
    if clues.explained_by(lambda trial: -trial.t.mT if trial.t.dim() > 1 else None):
        return Diagnosis(Mistake.TRANSPOSED, "it is transposed, and has the wrong sign", -1.0)
    return None


def _read_in_columns(t: Tensor) -> Tensor | None:
    return t.permute(*reversed(range(t.dim()))).reshape(t.shape) if t.dim() > 1 else None


def permuted(clues: Clues) -> Diagnosis | None:
    """The same numbers elsewhere: reversed, moved by one, shuffled."""
    dims = clues.first.t.dim()
    for dim in range(dims):
        along = _along(clues.first, dim)
        if clues.explained_by(lambda trial, dim=dim: trial.t.flip(dim)):  # type: ignore[misc]
            return Diagnosis(Mistake.PERMUTED, f"it is reversed along {along}")
        for step in (1, -1):
            if clues.explained_by(lambda trial, dim=dim, step=step: trial.t.roll(step, dim)):  # type: ignore[misc]
                return Diagnosis(Mistake.PERMUTED, f"it is shifted by {step} along {along}")
    if not clues.explained_by(_sorted_alike):
        return None
    for dim in range(dims):
        if all(_is_permutation(trial, dim) for trial in clues.wrong()):
            return Diagnosis(Mistake.PERMUTED, f"it is permuted along {_along(clues.first, dim)}")
    return Diagnosis(Mistake.PERMUTED, "it has the right numbers in other places: a permutation")


def of_another(clues: Clues) -> Diagnosis | None:
    """That of another input or parameter, or of an input with its halves exchanged."""
    kinds = (Kind.INPUT, Kind.PARAMETER)
    others = [k for k in clues.first.evidence.right if k != clues.gradient and k.kind in kinds]
    for key in others:
        if clues.explained_by(lambda trial, key=key: trial.evidence.right.get(key)):  # type: ignore[misc]
            name = key.name if key.kind is Kind.PARAMETER else f"input {key.place}"
            return Diagnosis(Mistake.OF_ANOTHER, f"it is the gradient of {name}")
    for dim in range(clues.first.t.dim()):
        if clues.explained_by(lambda trial, dim=dim: _halves_exchanged(trial, dim)):  # type: ignore[misc]
            return Diagnosis(
                Mistake.PERMUTED,
                f"the two halves of the input along {_along(clues.first, dim)} are swapped",
            )
    return None


def _halves_exchanged(trial: Clue, dim: int) -> Tensor | None:
    size = trial.t.shape[dim]
    if not trial.of_input or size % 2 or size < 4:
        return None
    inputs = [x.roll(size // 2, dim) if x is trial.x else x for x in trial.evidence.inputs]
    found = trial.vjp(inputs)
    return None if found is None else found.roll(size // 2, dim)


def _along(trial: Clue, dim: int) -> str:
    names = {0: "rows", 1: "columns"} if trial.t.dim() == 2 else {}
    return f"its {names[dim]}" if dim in names else f"dim {dim}"


def _sorted_alike(trial: Clue) -> Tensor | None:
    """Manual's own numbers if, sorted, they are the right ones; else nothing that fits."""
    m, t = trial.m.flatten(), trial.t.flatten()
    if m.numel() < 3 or not bool(
        ((m.sort().values - t.sort().values).abs() <= trial.tolerance(trial.t)).all()
    ):
        return None
    return trial.m


def _is_permutation(trial: Clue, dim: int) -> bool:
    m, t = trial.m.movedim(dim, 0), trial.t.movedim(dim, 0)
    if not 1 < len(t) <= 512:
        return False
    rows = math.prod(t.shape[1:])
    nearest = torch.cdist(m.reshape(len(m), rows), t.reshape(len(t), rows)).argmin(1)
    return trial.is_near(t[nearest].movedim(0, dim))


def _is_right(clues: Clues, guess: Guess) -> bool:
    """Whether the guess is the true gradient in all trials."""
    for trial in clues.trials:
        found = guess(trial)
        if found is None or found.shape != trial.t.shape:
            return False
        if not bool(((found - trial.t).abs() <= trial.tolerance(trial.t)).all()):
            return False
    return True


def wrong_axis(clues: Clues) -> Diagnosis | None:
    """The same computation along another axis, where sizes allow it."""

    def of_incoming(axis: int):
        def guess(trial: Clue) -> Tensor | None:
            summed = trial.g.sum([d for d in range(trial.g.dim()) if d != axis])
            return summed if summed.shape == trial.m.shape else None

        return guess

    axes = range(clues.first.g.dim())
    for axis in axes:
        if clues.explained_by(of_incoming(axis)):
            if not any(_is_right(clues, of_incoming(other)) for other in axes):
                return Diagnosis(
                    Mistake.MISSING_FACTOR,
                    "it is the incoming gradient itself, summed: what it should be multiplied by "
                    "is missing",
                )
            return Diagnosis(
                Mistake.WRONG_AXIS, f"only dim {axis} of the incoming gradient was kept: wrong axis"
            )

    def turned(trial: Clue) -> Tensor | None:
        e = trial.evidence
        if trial.x.dim() < 2 or not trial.of_input or trial.g.dim() < 2:
            return None
        found = trial.vjp(
            [x.mT if x.dim() > 1 else x for x in e.inputs], [g.mT for g in e.incoming]
        )
        return None if found is None else found.mT

    def summed_along(dim: int, sign: int):
        def guess(trial: Clue) -> Tensor | None:
            g, y = trial.g, trial.y
            if not trial.of_input or g.shape != trial.t.shape:
                return None
            return sign * y * (g - (g * y).sum(dim, keepdim=True))

        return guess

    for dim, sign in itertools.product(range(clues.first.g.dim()), (1, -1)):
        if clues.explained_by(summed_along(dim, sign)):
            return Diagnosis(
                Mistake.WRONG_AXIS, f"its cross term is summed along dim {dim}: the wrong axis"
            )
    if clues.explained_by(turned):
        return Diagnosis(
            Mistake.WRONG_AXIS, "it is the result along the other axis: rows instead of columns"
        )
    return None
