"""Right but for a factor: the sign, a mean that is missing, a ½ that was forgotten."""

import math
from collections.abc import Callable

import torch

from compare.diagnosis.clues import Clue, Clues
from compare.diagnosis.mistake import Diagnosis, Mistake


def sign(clues: Clues) -> Diagnosis | None:
    """m = −t."""
    if clues.explained_by(lambda trial: -trial.t):
        return Diagnosis(Mistake.SIGN, "it has the wrong sign", -1.0)
    return None


def factor(clues: Clues) -> Diagnosis | None:
    """m = c t, the same c always, or one that follows the size of something."""
    factors = []
    for trial in clues.trials:
        square = float((trial.t * trial.t).sum())
        if square == 0:
            if float(trial.m.abs().max()) > 0:
                return None
            continue
        c = float((trial.m * trial.t).sum()) / square
        if not math.isfinite(c) or not trial.is_near(c * trial.t):
            return None
        factors.append((trial, c))
    if not factors or len(clues.trials) < len(clues.all):
        return None
    for mistake, why, of in _SIZES:
        if all(_same(c, of(t), t) for t, c in factors) and not _same(
            factors[0][1], 1, factors[0][0]
        ):
            trial, c = factors[0]
            return Diagnosis(mistake, f"{_times(c)}: {why(trial)}", c)
    trial, c = factors[0]
    if not all(_same(c, other, t) for t, other in factors) or _same(c, 1, trial):
        return None
    for mistake, value in ((Mistake.SUM_FOR_MEAN, _batch), (Mistake.MEAN_FOR_SUM, _one_over_batch)):
        if trial.samples > 2 and _same(c, value(trial), trial):
            n = trial.samples
            sentence = f"{_times(c)}, {n} being the size of the batch given: {mistake}"
            return Diagnosis(mistake, f"{sentence}, and a fixed {n} for other batches as well", c)
    if _same(c, 2, trial):
        sentence = "it is 2 times too large: accumulated twice, or a factor of 2 too many"
        return Diagnosis(Mistake.TWICE, sentence, c)
    return Diagnosis(Mistake.FACTOR, f"{_times(c)}{_meaning(c, trial)}", c)


def _batch(trial: Clue) -> float:
    return float(trial.samples)


def _one_over_batch(trial: Clue) -> float:
    return 1 / max(trial.samples, 1)


def _elements(trial: Clue) -> float:
    return float(trial.x.numel())


def _times(c: float) -> str:
    if c < 0:
        return f"it is {_number(c)} times what it should be, the sign wrong, too"
    if c > 1:
        return f"it is {_number(c)} times too large"
    return f"it is {_number(c)} of what it should be"


_SIZES: list[tuple[Mistake, Callable[[Clue], str], Callable[[Clue], float]]] = [
    (
        Mistake.SUM_FOR_MEAN,
        lambda t: f"the mean over the batch (1/N, N = {t.samples}) is missing, a sum in its place",
        _batch,
    ),
    (
        Mistake.SUM_FOR_MEAN,
        lambda t: f"the mean over all elements (1/{t.x.numel()}) is missing, a sum in its place",
        _elements,
    ),
    (
        Mistake.MEAN_FOR_SUM,
        lambda t: f"averaged over the batch (1/N, N = {t.samples}) where the sum is wanted",
        lambda t: _one_over_batch(t),
    ),
    (
        Mistake.MEAN_FOR_SUM,
        lambda t: f"averaged over all elements (1/{t.x.numel()}) where the sum is wanted",
        lambda t: 1 / _elements(t),
    ),
    (
        Mistake.FACTOR,
        lambda t: f"divided by N − 1 where N is meant (N = {t.samples})",
        lambda t: t.samples / max(t.samples - 1, 1),
    ),
]


def _meaning(c: float, trial: Clue) -> str:
    """What a constant may be: a size of the layer, a root of one, the scale of dropout."""
    meanings = []
    x, y = trial.x, trial.y
    sizes: dict[int, str] = {}  # a size is named once, by the more telling name
    if y.dim():
        sizes[y.shape[-1]] = "number of outputs or classes"
    if x.dim():
        sizes[x.shape[-1]] = "number of features or classes"
    if x.dim() > 2:
        sizes[math.prod(x.shape[2:])] = "number of positions"
    for size, name in sizes.items():
        if size > 1:
            for shown, value in (
                (f"the {name}, {size}", size),
                (f"1/{size}, {size} being the {name}", 1 / size),
                (f"√{size}, {size} being the {name}", math.sqrt(size)),
                (f"1/√{size}, {size} being the {name}", 1 / math.sqrt(size)),
            ):
                if _same(c, value, trial):
                    meanings.append(shown)
    if _same(c, 0.5, trial):
        meanings.append("½, as of a squared error")
    if "Dropout" in trial.evidence.label and c > 0:
        p = 1 - 1 / c if c > 1 else 1 - c
        shown = "1/(1 − p)" if c > 1 else "1 − p"
        meanings.insert(0, f"{shown} with p = {p:.3g}, the scale of what dropout keeps")
    return f": perhaps {'; or '.join(meanings)}" if meanings else ""


def _same(a: float, b: float, trial: Clue) -> bool:
    """To the digits that the precision has; a factor is a mean over many elements."""
    eps = torch.finfo(trial.evidence.dtype).eps
    return math.isclose(a, b, rel_tol=max(1e-5, eps))


def _number(c: float) -> str:
    nearest = round(c)
    if nearest and math.isclose(c, nearest, rel_tol=1e-5):
        return str(nearest)
    if abs(c) < 1 and c and math.isclose(1 / c, round(1 / c), rel_tol=1e-4):
        return f"1/{round(1 / c)}"
    return f"{c:.6g}"
