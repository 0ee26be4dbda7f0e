"""A tensor that a gradient is multiplied or divided by once too often, or that is added to it."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from compare.diagnosis.clues import Clue, Clues
from compare.diagnosis.derivatives import OF_ARGUMENT, OF_VALUE
from compare.diagnosis.mistake import Diagnosis, Mistake

_Of = Callable[[Clue], Tensor | None]
_TERMS: dict[str, Callable[[Tensor], Tensor]] = {
    "g": torch.ones_like,
    "g · x": lambda x: x,
    "g · x²": torch.square,
    "g · e^x": torch.exp,
    "g · σ(x)": torch.sigmoid,
    "g · tanh x": torch.tanh,
    "g · the sign of x": torch.sign,
}


def factor(clues: Clues) -> Diagnosis | None:
    """m = t ⊙ T or t / T, T being anything that the layer computes or is given."""
    first = clues.first
    if first.found is None or first.m.shape != first.t.shape:
        return None
    for text, of in _factors(first):
        for times in (True, False):

            def guess(trial: Clue, of: _Of = of, times: bool = times) -> Tensor | None:
                value = of(trial)
                if value is None or value.dim() == 0 or not _fits(value, trial.t):
                    return None
                return trial.t * value if times else trial.t / value

            if clues.explained_by(guess):
                said = (
                    f"it is multiplied by {text} once too often, or not divided by it"
                    if times
                    else f"the factor {text} is missing, or it is divided by it once too often"
                )
                return Diagnosis(Mistake.MISSING_FACTOR, said)
    return None


def _factors(first: Clue) -> Iterator[tuple[str, _Of]]:
    for where, (text, _) in (first.graphs[0].tensors if first.graphs else {}).items():
        yield f"`{text}`", lambda t, at=where: t.graphs[0].tensor(at) if t.graphs else None  # type: ignore[misc]
    for shown, of in OF_ARGUMENT.items():
        yield f"{shown} (x being the input)", lambda t, of=of: of(t.x)  # type: ignore[misc]
    for shown, of in OF_VALUE.items():
        yield f"{shown} (a being the output)", lambda t, of=of: of(t.y)  # type: ignore[misc]


def _fits(value: Tensor, t: Tensor) -> bool:
    try:
        return torch.broadcast_shapes(value.shape, t.shape) == t.shape
    except RuntimeError:
        return False


def term(clues: Clues) -> Diagnosis | None:
    """m = t + c · g f(x), c always the same, or one by the number of samples or elements."""
    if not clues.first.of_input:
        return None
    for text, of in _TERMS.items():
        rates = []
        for trial in clues.trials:
            c = _rate(trial, of)
            if c is None:
                break
            if not math.isnan(c):
                rates.append((trial, c))
        else:
            if rates and (size := _follows(rates)):
                how, c = size
                verb = "added" if c > 0 else "missing"
                return Diagnosis(
                    Mistake.ADDED,
                    f"the term {text}{how} is {verb}, where g is the incoming gradient and "
                    "x the input",
                    c,
                )
    return None


def _rate(trial: Clue, of: Callable[[Tensor], Tensor]) -> float | None:
    if trial.g.dim() and trial.g.shape != trial.t.shape:
        return None
    with_x = trial.g * of(trial.x)
    if with_x.shape != trial.t.shape:
        return None
    square = float((with_x * with_x).sum())
    if square == 0 or not math.isfinite(square):
        return math.nan if trial.is_near(trial.t) else None
    c = float(((trial.m - trial.t) * with_x).sum()) / square
    return c if trial.is_near(trial.t + c * with_x) else None


def _follows(rates: list[tuple[Clue, float]]) -> tuple[str, float] | None:
    for how, size in _sizes():
        scaled = [c * size(trial) for trial, c in rates]
        c = scaled[0]
        if abs(c) > 1e-9 and all(abs(s - c) <= 1e-3 * abs(c) for s in scaled):
            times = "" if abs(abs(c) - 1) < 1e-3 else f" · {abs(c):.4g}"
            return f"{times}{how}", c
    return None


def _sizes() -> Iterator[tuple[str, Callable[[Clue], int]]]:
    yield "", lambda trial: 1
    yield " / N", lambda trial: trial.samples
    yield " / the number of elements", lambda trial: trial.x.numel()
