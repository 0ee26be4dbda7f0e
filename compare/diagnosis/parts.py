"""Right in one part and wrong in another: which part, and how."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from compare.diagnosis.clues import Clue, Clues
from compare.diagnosis.mistake import Diagnosis, Mistake
from compare.diagnosis.pattern import one_factor

_PARTS: list[tuple[str, Callable[[Clue], Tensor]]] = [
    ("the input is negative", lambda t: t.x < 0),
    ("the input is positive", lambda t: t.x > 0),
    ("the input is exactly 0", lambda t: t.x == 0),
    ("the input is 0 or negative", lambda t: t.x <= 0),
    ("the output is 0", lambda t: t.y == 0),
    ("the incoming gradient is negative", lambda t: t.g < 0),
    ("the incoming gradient is positive", lambda t: t.g > 0),
]


# Below this share of the largest number an error is called small.
_SMALL = 1e-3
_SEEN = 10  # tolerances: smaller numbers would hide that they are wrong


def where(clues: Clues) -> Diagnosis | None:
    """Wrong only where the input, or the incoming gradient, has one sign; and how it is there."""
    for shown, masks in _wrong_parts(clues):
        if how := _how(clues, masks):
            sentence = f"right except where {shown}: there it is {how[0]}"
            return Diagnosis(Mistake.IN_A_PART, sentence, how[1])
    return None


def only_where(clues: Clues) -> Diagnosis | None:
    """The same, where it is wrong there in no way that has a name."""
    for shown, _ in _wrong_parts(clues):
        trial = clues.first
        places = _lines((trial.m - trial.t).abs() > trial.tolerance(trial.t))
        also = f", and there only in {places}" if places else ""
        return Diagnosis(Mistake.IN_A_PART, f"wrong only where {shown}{also}")
    return None


def _wrong_parts(clues: Clues) -> Iterator[tuple[str, list[Tensor]]]:
    """The parts outside of which all is right, and not because it is zero."""
    for shown, of in _PARTS:
        pairs = [(trial, of(trial)) for trial in clues.trials]
        if len(pairs) < len(clues.all) or any(m.shape != t.t.shape for t, m in pairs):
            continue
        outside = all(_near(trial, trial.t, ~mask) for trial, mask in pairs)
        if outside and any(bool(trial.t[~mask].any()) for trial, mask in pairs):
            yield shown, [mask for _, mask in pairs]


def between(clues: Clues) -> Diagnosis | None:
    """Wrong only where the input is in one range of numbers."""
    wrong, right = [], []
    for trial in clues.trials:
        if trial.x.shape != trial.t.shape:
            return None
        near = trial.tolerance(trial.t)
        off = (trial.m - trial.t).abs() > near
        wrong.append(trial.x[off])
        right.append(trial.x[~off & (trial.t.abs() > _SEEN * near)])  # where an error would show
    inside, outside = torch.cat(wrong), torch.cat(right)
    if not len(inside) or not len(outside) or len(clues.trials) < len(clues.all):
        return None
    low, high = float(inside.min()), float(inside.max())
    if bool(((outside >= low) & (outside <= high)).any()):
        return None
    return Diagnosis(
        Mistake.IN_A_PART, f"wrong only where the input is between {low:.4g} and {high:.4g}"
    )


def lines(clues: Clues) -> Diagnosis | None:
    """Right but in some rows, columns or other lines, and there one number times what is right."""
    wrong = list(clues.wrong())
    if not wrong or len(clues.trials) < len(clues.all):
        return None
    for dim in range(clues.first.t.dim()):
        seen = [_factor_of_lines(trial, dim) for trial in wrong]
        if any(found is None for found in seen):
            continue
        which, c = seen[0]  # type: ignore[misc]
        if not all(
            found is not None and abs(found[1] - c) <= 1e-3 * max(abs(c), 1) for found in seen
        ):
            continue
        names = {0: "rows", 1: "columns"} if clues.first.t.dim() == 2 else {}
        places = f"{names.get(dim, f'dim {dim} at')} {_range(which)}"
        said = {-1.0: "it has the wrong sign", 0.0: "it is zero"}.get(
            round(c, 3), f"it is {c:.4g} times what it should be"
        )
        kind = {-1.0: Mistake.SIGN, 0.0: Mistake.DETACHED}.get(round(c, 3), Mistake.FACTOR)
        return Diagnosis(kind, f"right except in {places}: there {said}", c)
    return None


def _factor_of_lines(trial: Clue, dim: int) -> tuple[list[int], float] | None:
    m, t = trial.m.movedim(dim, 0), trial.t.movedim(dim, 0)
    near = trial.tolerance(trial.t)
    which, factors = [], []
    for i, (a, b) in enumerate(zip(m, t, strict=True)):
        if bool(((a - b).abs() <= near).all()):
            continue
        square = float((b * b).sum())
        c = float((a * b).sum()) / square if square else math.nan
        if not bool(((a - c * b).abs() <= near).all()):
            return None
        which.append(i)
        factors.append(c)
    right = [i for i in range(len(t)) if i not in which and bool(t[i].any())]
    if not which or not right or t[0].numel() < 2:
        return None
    alike = all(abs(c - factors[0]) <= 1e-3 * max(abs(factors[0]), 1) for c in factors)
    return (which, factors[0]) if alike else None


def _range(which: list[int]) -> str:
    if len(which) > 2 and which == list(range(which[0], which[-1] + 1)):
        return f"{which[0]} to {which[-1]}"
    return ", ".join(map(str, which[:6])) + (", …" if len(which) > 6 else "")


def mask(clues: Clues) -> Diagnosis | None:
    """Wrong on both sides of 0, in one way on each: a mask that is inverted, most often."""
    negative = [trial.x < 0 for trial in clues.trials]
    positive = [trial.x > 0 for trial in clues.trials]
    if any(m.shape != t.t.shape for m, t in zip(negative, clues.trials, strict=True)):
        return None
    below, above = _how(clues, negative), _how(clues, positive)
    if below is None or above is None or len(clues.trials) < len(clues.all):
        return None
    sentence = f"where the input is negative it is {below[0]}, where it is positive {above[0]}"
    if below[0] == above[0]:
        sentence = f"it is {below[0]}"
    inverted = below[1] == 1.0 and above[1] == 0.0
    return Diagnosis(
        Mistake.IN_A_PART, f"the mask is inverted: {sentence}" if inverted else sentence
    )


def _how(clues: Clues, masks: list[Tensor]) -> tuple[str, float | None] | None:
    pairs = list(zip(clues.trials, masks, strict=True))
    if all(_near(trial, trial.t * 0, mask) for trial, mask in pairs):
        return "zero", 0.0
    if all(trial.g.shape == trial.t.shape and _near(trial, trial.g, mask) for trial, mask in pairs):
        return "the incoming gradient unchanged, its derivative missing", 1.0
    for shown, of in (("times what it should be", "t"), ("times the incoming gradient", "g")):
        factors = []
        for trial, mask in pairs:
            base = trial.t if of == "t" else trial.g
            if base.shape != mask.shape:
                break
            square = float((base[mask] ** 2).sum())
            if square == 0:
                continue
            c = float((trial.m[mask] * base[mask]).sum()) / square
            if not _near(trial, c * base, mask):
                break
            factors.append(c)
        else:
            if factors and all(abs(c - factors[0]) <= 1e-3 * abs(factors[0]) for c in factors):
                return f"{factors[0]:.6g} {shown}", factors[0]
    return None


def _near(trial: Clue, guess: Tensor, mask: Tensor) -> bool:
    return bool(((trial.m - guess).abs() <= trial.tolerance(guess))[mask].all())


def located(clues: Clues) -> str:
    """Where the error sits, for a mistake that none of the hypotheses explains."""
    trial = clues.first
    if trial.found is None:
        return "it is missing in some runs and there in others"
    error = (trial.m - trial.t).abs()
    wrong = ~(error <= trial.tolerance(trial.t))
    count, total = int(wrong.sum()), wrong.numel()
    size = float(trial.t.abs().max()) if total else 0.0
    numbers = f"largest error {float(error.max()):.3g} where the largest number is {size:.3g}"
    places = _lines(wrong)
    relative = float(error.max()) / size if size else 0.0
    if 0 < relative <= _SMALL:
        where = f", in {places or f'{count} of {total} elements'}" if count else ""
        return f"a small error, {relative:.1e} of its largest number{where}"
    if places:
        return f"no known mistake explains it: wrong only in {places}; {numbers}"
    if along := one_factor(trial.m, trial.t):
        return f"no known mistake explains it: {along}; {numbers}"
    share = "all" if count == total else f"{count} of {total}"
    return f"no known mistake explains it: {share} elements are wrong; {numbers}"


def _lines(wrong: Tensor) -> str:
    """The rows or columns that all wrong elements lie in, if these are few."""
    for dim in range(wrong.dim()):
        others = [d for d in range(wrong.dim()) if d != dim]
        lines = (
            wrong.any(others[0]) if len(others) == 1 else wrong.sum(others) > 0 if others else wrong
        )
        which = lines.nonzero().flatten().tolist()
        few = min(max(1, wrong.shape[dim] // 4), wrong.shape[dim] - 1)
        if 0 < len(which) <= few:
            name = ("row", "column")[dim] if wrong.dim() == 2 else f"dim {dim} at"
            shown = ", ".join(map(str, which[:6])) + (", …" if len(which) > 6 else "")
            return f"{name} {shown}"
    return ""
