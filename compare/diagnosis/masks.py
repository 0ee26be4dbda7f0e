"""A gradient where there should be none, or none where there should be one."""

from collections.abc import Callable

from torch import Tensor

from compare.diagnosis.clues import Clue, Clues
from compare.diagnosis.mistake import Diagnosis, Mistake


def missing(clues: Clues) -> Diagnosis | None:
    """t = 0 wherever m is wrong."""
    if _wherever_wrong(clues, lambda trial: trial.t == 0):
        return Diagnosis(
            Mistake.IN_A_PART,
            f"it is not zero where it should be{_share(clues)}: a mask is missing",
        )
    return None


def too_many(clues: Clues) -> Diagnosis | None:
    """m = 0 wherever it is wrong."""
    if _wherever_wrong(clues, lambda trial: trial.m == 0):
        return Diagnosis(
            Mistake.IN_A_PART,
            f"it is zero where it should not be{_share(clues)}, and right elsewhere",
        )
    return None


def another(clues: Clues) -> Diagnosis | None:
    """m = 0 or t = 0 wherever it is wrong."""
    if not _wherever_wrong(clues, lambda t: (t.m == 0) | (t.t == 0), besides_right_ones=False):
        return None
    trial = next(clues.wrong())
    off, total = _wrong(trial), trial.t.numel()
    lost, extra = int((off & (trial.m == 0)).sum()), int((off & (trial.t == 0)).sum())
    return Diagnosis(
        Mistake.IN_A_PART,
        f"the mask is not the forward's: of {total} elements, {lost} are zero that should not be, "
        f"and {extra} are not zero but should be",
    )


def _wrong(trial: Clue) -> Tensor:
    return (trial.m - trial.t).abs() > trial.tolerance(trial.t)


def _wherever_wrong(
    clues: Clues, is_so: Callable[[Clue], Tensor], *, besides_right_ones: bool = True
) -> bool:
    trials = list(clues.wrong())
    return (
        len(clues.trials) == len(clues.all)
        and bool(trials)
        and all(bool(is_so(t)[_wrong(t)].all()) for t in trials)
        and (not besides_right_ones or any(bool((t.t != 0)[~_wrong(t)].any()) for t in trials))
    )


def _share(clues: Clues) -> str:
    wrong = _wrong(next(clues.wrong()))
    return f", in {int(wrong.sum())} of {wrong.numel()} places"
