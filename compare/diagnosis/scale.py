"""Right but for a factor: the sign, a mean that is missing, a ½ that was forgotten."""

import math
from collections.abc import Callable

import torch

from compare.diagnosis.clues import Clue, Clues
from compare.diagnosis.mistake import Diagnosis, Mistake
from compare.trial.derived import SATURATING

Factors = list[tuple[Clue, float]]


def sign(clues: Clues) -> Diagnosis | None:
    """m = −t."""
    if clues.explained_by(lambda trial: -trial.t):
        return Diagnosis(Mistake.SIGN, "it has the wrong sign", -1.0)
    return None


def factor(clues: Clues) -> Diagnosis | None:
    """m = c t, the same c always, or one that follows the size of something."""
    return named(_factors(clues))


def named(factors: Factors) -> Diagnosis | None:
    """What a factor is, of each trial the one that it has there; None where it is 1 or no one."""
    if not factors:
        return None
    trial, c = factors[0]
    if _same(c, 1, trial):
        return None
    if found := _of_a_size(factors):
        return found
    if not all(_same(c, other, t) for t, other in factors):
        return None
    n = trial.samples
    for mistake, value in ((Mistake.SUM_FOR_MEAN, n), (Mistake.MEAN_FOR_SUM, 1 / max(n, 1))):
        if n > 2 and _same(c, value, trial):
            sentence = f"{_times(c)}, {n} being the batch size: {mistake}"
            return Diagnosis(mistake, f"{sentence}, and a fixed {n} for other batches as well", c)
    if _same(c, 2, trial):
        sentence = "it is 2 times too large: accumulated twice, or a factor of 2 too many"
        return Diagnosis(Mistake.TWICE, sentence, c)
    return Diagnosis(Mistake.FACTOR, f"{_times(c)}{_meaning(c, trial)}", c)


def _factors(clues: Clues) -> Factors:
    """c of each trial; none where manual is not a multiple of what is right."""
    factors = []
    for trial in clues.trials:
        square = float((trial.t * trial.t).sum())
        if square == 0:
            if float(trial.m.abs().max()) > 0:
                return []
            continue
        c = float((trial.m * trial.t).sum()) / square
        if not math.isfinite(c) or not trial.is_near(c * trial.t):
            return []
        factors.append((trial, c))
    return factors if len(clues.trials) == len(clues.all) else []


def _samples(trial: Clue) -> int:
    return trial.samples


def _elements(trial: Clue) -> int:
    return trial.x.numel()


def _last_of_output(trial: Clue) -> int:
    return trial.y.shape[-1] if trial.y.dim() else 1


def _last_of_input(trial: Clue) -> int:
    return trial.x.shape[-1] if trial.x.dim() else 1


def _positions(trial: Clue) -> int:
    return math.prod(trial.x.shape[2:])


# What a factor can follow, with its name. Of two with one value the more telling comes last.
_SIZES: list[tuple[str, Callable[[Clue], int]]] = [
    ("outputs or classes", _last_of_output),
    ("features or classes", _last_of_input),
    ("positions", _positions),
]
_POWERS = (("{}", 1.0), ("1/{}", -1.0), ("√{}", 0.5), ("1/√{}", -0.5))
_HOW = {
    1.0: "multiplied by",
    -1.0: "divided by",
    0.5: "multiplied by the root of",
    -0.5: "divided by the root of",
}


def _of_a_size(factors: Factors) -> Diagnosis | None:
    """The size that the factor follows from trial to trial."""
    trial, c = factors[0]

    def follows(size: Callable[[Clue], int], power: float) -> bool:
        return all(_same(f, max(size(t), 1) ** power, t) for t, f in factors)

    n, m = _samples(trial), _elements(trial)
    for of, power, mistake, why in (
        (_samples, 1, Mistake.SUM_FOR_MEAN, f"the mean over the batch (1/N, N = {n}) is missing"),
        (_elements, 1, Mistake.SUM_FOR_MEAN, f"the mean over all elements (1/{m}) is missing"),
        (_samples, -1, Mistake.MEAN_FOR_SUM, f"averaged over the batch (1/N, N = {n})"),
        (_elements, -1, Mistake.MEAN_FOR_SUM, f"averaged over all elements (1/{m})"),
    ):
        if follows(of, power):
            instead = ", a sum is used instead" if power > 0 else " instead of summed"
            return Diagnosis(mistake, f"{_times(c)}: {why}{instead}", c)
    for of, what in ((_samples, "N"), (_elements, "the number of elements")):
        for power, how in ((2, "multiplied by"), (-2, "divided by")):
            if of(trial) > 1 and follows(of, power):
                why = f"{how} the square of {what}, {of(trial)} here"
                return Diagnosis(Mistake.FACTOR, f"{_times(c)}: {why}", c)
    if all(_same(f, t.samples / max(t.samples - 1, 1), t) for t, f in factors):
        why = f"divided by N − 1 instead of N (N = {n})"
        return Diagnosis(Mistake.FACTOR, f"{_times(c)}: {why}", c)
    if all(_same(c, f, t) for t, f in factors):
        return None  # the same for all sizes
    for name, size in _SIZES:
        for times, how in _HOW.items():
            if follows(size, times):
                why = f"{how} the number of {name}, {size(trial)} here"
                return Diagnosis(Mistake.FACTOR, f"{_times(c)}: {why}", c)
    return None


def _times(c: float) -> str:
    if c < 0:
        return f"it is {_number(c)} times what it should be, and has the wrong sign"
    if c > 1:
        return f"it is {_number(c)} times too large"
    return f"it is {_number(c)} of what it should be"


def _meaning(c: float, trial: Clue) -> str:
    """What a constant may be: a size of the layer, a root of one, the scale of dropout."""
    meanings = []
    sizes = {size(trial): name for name, size in _SIZES}
    for n, name in sizes.items():
        for shown, power in _POWERS:
            if n > 1 and _same(c, n**power, trial):
                meanings.append(
                    f"the number of {name}, {n}"
                    if power == 1
                    else f"{shown.format(n)}, {n} being the number of {name}"
                )
    if _same(c, 0.5, trial):
        meanings.append("½, as of a squared error")
    p = 1 - 1 / c if c > 1 else 1 - c
    if "Dropout" in trial.evidence.label and c > 0 and _same(p, _dropped(trial), trial):
        shown = "1/(1 − p)" if c > 1 else "1 − p"
        meanings.insert(0, f"{shown} with p = {p:.3g}, the scale of what dropout keeps")
    return f": perhaps {'; or '.join(meanings)}" if meanings else ""


def _dropped(trial: Clue) -> float:
    """The p of a dropout, by how much larger what it keeps comes out."""
    kept = trial.y != 0
    if trial.y.shape != trial.x.shape or not bool(kept.any()):
        return math.nan
    return 1 - float((trial.x[kept] / trial.y[kept]).median())


def _same(a: float, b: float, trial: Clue) -> bool:
    """To the digits that the precision has; a factor is a mean over many elements.

    Where the input saturates, most of what it is a mean over is rounding.
    """
    eps = torch.finfo(trial.evidence.dtype).eps
    least = 1e-3 if trial.evidence.input == SATURATING else 1e-5
    return math.isclose(a, b, rel_tol=max(least, eps))


def _number(c: float) -> str:
    nearest = round(c)
    if nearest and math.isclose(c, nearest, rel_tol=1e-5):
        return str(nearest)
    if abs(c) < 1 and c and math.isclose(1 / c, round(1 / c), rel_tol=1e-4):
        return f"1/{round(1 / c)}"
    return f"{c:.6g}"
