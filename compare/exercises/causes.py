"""Why an answer is wrong: by ``compare.diagnosis``, or by the slip that gives the same numbers.

The source's own statement is made wrong by one slip of the pen at a time. Where a slip gives what
the learner's code gives, in every trial, it is the mistake, and the change that undoes it is
verified by the same trials.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from compare.diagnosis import diagnose
from compare.diagnosis.mistake import Mistake
from compare.exercises.answering import answer
from compare.exercises.exercise import Exercise
from compare.exercises.trials import TrialOfAnswer, evidence, is_right, namespace
from compare.exercises.variants import SAID, variants

Found = Sequence[Sequence[Tensor | None]]

# Names that say little: a slip says more, where one explains the numbers …
_VAGUE = {Mistake.UNKNOWN, Mistake.IN_A_PART}
# … and names that are guessed from the numbers, where a slip says what was written.
_GUESSED = {Mistake.NO_DERIVATIVE, Mistake.NO_TARGET, Mistake.ADDED, Mistake.WRONG_WEIGHT}
_PRECISE = {"condition", "sign", "missing factor", "missing term", "another tensor"}


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
    said = _diagnosed(exercise, trials, found, place)
    if said is not None and said.name not in _VAGUE | _GUESSED:
        return said
    slip = _slipped(exercise, trials, found, place)
    if slip is not None and (said is None or said.name in _VAGUE or slip.name in _PRECISE):
        return slip
    if said is None or said.name == Mistake.UNKNOWN:
        return (
            _handed_on(trials, found, place)
            or _diagnosed(exercise, trials, found, place, by_steps=True)
            or Cause(Mistake.UNKNOWN.value, "it is wrong")
        )
    return said


def _handed_on(trials: Sequence[TrialOfAnswer], found: Found, place: int) -> Cause | None:
    for name, value in trials[0].scope.items():
        if isinstance(value, Tensor) and all(
            is_right(row[place], trial.scope[name])
            for trial, row in zip(trials, found, strict=True)
        ):
            return Cause("passed through", f"this is `{name}`, passed through unchanged")
    return None


def _diagnosed(
    exercise: Exercise,
    trials: Sequence[TrialOfAnswer],
    found: Found,
    place: int,
    *,
    by_steps: bool = False,
) -> Cause | None:
    """By what comes out alone, which speaks of the formula, or by the steps of the forward."""
    if exercise.again:  # what is differentiated twice has no single vjp to ask
        return None
    rows = []
    for trial, row in zip(trials, found, strict=True):
        keys, seen = evidence(exercise, trial, row)
        seen = seen if by_steps else replace(seen, graph=None)
        wrong = not is_right(row[place], trial.right[place])
        if trial.right[place] is not None:
            rows.append((wrong, trial.size, keys[place], seen))
    rows.sort(key=lambda r: (not r[0], -r[1]))
    d = diagnose(rows[0][2], [seen for *_, seen in rows])
    return Cause(d.mistake.value, d.sentence)


def _slipped(
    exercise: Exercise, trials: Sequence[TrialOfAnswer], found: Found, place: int
) -> Cause | None:
    for variant in variants(exercise):
        try:
            names = namespace(variant.text)
            with warnings.catch_warnings(action="ignore"):  # a transpose that is lost warns
                same = all(
                    _same(answer(exercise, names, trial.scope), row, place)
                    for trial, row in zip(reversed(trials), reversed(found), strict=True)
                )
        except Exception:
            continue  # what makes no sense is not what the learner wrote
        if same:
            name, says = SAID[variant.kind]
            return Cause(name, says.format(of=variant.of), variant.part)
    return None


def _same(row: Sequence[object], found: Sequence[Tensor | None], place: int) -> bool:
    """Whether a variant gives what the learner's code gives, where that is wrong first."""
    x, y = row[place], found[place]
    return len(row) == len(found) and isinstance(x, Tensor) and is_right(x, y)
