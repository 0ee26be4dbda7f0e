"""Why an answer is wrong: by ``compare.diagnosis``, or by the slip that gives the same numbers.

The source's own statement is made wrong by one slip of the pen at a time. Where a slip gives what
the learner's code gives, in every trial, it is the mistake, and the change that undoes it is
verified by the same trials.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from compare.diagnosis import diagnose
from compare.diagnosis.mistake import Mistake
from compare.exercises.answering import answer
from compare.exercises.exercise import Exercise
from compare.exercises.trials import TrialOfAnswer, evidence, is_right, namespace
from compare.exercises.variants import SAID, variants

Found = Sequence[Sequence[Tensor | None]]

# Said where no slip says more: what there is no name for, or only the place of.
_VAGUE = {Mistake.UNKNOWN, Mistake.IN_A_PART, Mistake.PART_OF_BATCH, Mistake.DETACHED}


@dataclass(frozen=True)
class Cause:
    """What is wrong: its name, a sentence, and the part of the answer that it is about."""

    name: str
    sentence: str
    part: str = ""  # of the source's statement; for hints alone


def cause(exercise: Exercise, trials: Sequence[TrialOfAnswer], found: Found) -> Cause:
    """Of a wrong answer whose results have the right shapes, or not."""
    place = next(
        i
        for trial, row in zip(trials, found, strict=True)
        for i, true in enumerate(trial.right)
        if not is_right(row[i] if i < len(row) else None, true, exercise.relative)
    )
    if exercise.relative and _all(trials, found, lambda x, true: is_right(x, true)):
        said = "its digits are lost where the result is small: two numbers of one size are subtracted"
        return Cause("cancellation", said)
    if exercise.again and _all(trials, found, lambda x, true: is_right(x, true), 1):
        said = "it is right once, but wrong when differentiated again: a part of it is a constant there"
        return Cause("not differentiable again", said)
    said = _diagnosed(exercise, trials, found, place)
    if said is not None and said.name not in _VAGUE:
        return said
    return _slipped(exercise, trials, found) or said or Cause(Mistake.UNKNOWN, "it is wrong")


def _all(
    trials: Sequence[TrialOfAnswer],
    found: Found,
    holds: Callable[[Tensor | None, Tensor | None], bool],
    first: int | None = None,
) -> bool:
    """Whether something holds of all results, or of the first ones."""
    return all(
        holds(x, true)
        for trial, row in zip(trials, found, strict=True)
        for x, true in zip(row[:first], trial.right[:first], strict=True)
    )


def _diagnosed(
    exercise: Exercise, trials: Sequence[TrialOfAnswer], found: Found, place: int
) -> Cause | None:
    if exercise.again:
        return None
    rows = []
    for trial, row in zip(trials, found, strict=True):
        keys, seen = evidence(exercise, trial, row)
        wrong = not is_right(row[place], trial.right[place])
        if trial.right[place] is not None:
            rows.append((wrong, trial.size, keys[place], seen))
    rows.sort(key=lambda r: (not r[0], -r[1]))
    d = diagnose(rows[0][2], [seen for *_, seen in rows])
    return Cause(d.mistake.value, d.sentence)


def _slipped(exercise: Exercise, trials: Sequence[TrialOfAnswer], found: Found) -> Cause | None:
    for variant in variants(exercise):
        try:
            names = namespace(variant.text)
            with warnings.catch_warnings(action="ignore"):  # a transpose that is lost warns
                same = all(
                    _same(answer(exercise, names, trial.scope), row)
                    for trial, row in zip(reversed(trials), reversed(found), strict=True)
                )
        except Exception:
            continue  # what makes no sense is not what the learner wrote
        if same:
            name, says = SAID[variant.kind]
            return Cause(name, says.format(of=variant.of), variant.part)
    return None


def _same(row: Sequence[object], found: Sequence[Tensor | None]) -> bool:
    return len(row) == len(found) and all(
        is_right(x, y) if isinstance(x, Tensor) else x is None and y is None
        for x, y in zip(row, found, strict=True)
    )
