"""Exercises by what a command line calls them."""

from collections.abc import Sequence

from compare.exercises.course import COURSE
from compare.exercises.exercise import Exercise
from compare.trial.errors import ComparisonError


def chosen(names: str | None) -> Sequence[Exercise]:
    """The exercises of these names and numbers; all of them without any.

    Raises:
        ComparisonError: There is no such exercise.
    """
    if names is None:
        return COURSE
    found = []
    for name in names.split(","):
        stem = name.rpartition("/")[2].removesuffix(".py").lstrip("0123456789_")
        first, dash, last = name.partition("-")
        if first.isdecimal() and (not dash or last.isdecimal()):
            fitting = (
                list(COURSE[max(int(first) - 1, 0) : int(last or first)]) if int(first) else []
            )
        else:
            fitting = [e for e in COURSE if e.name in (name, stem)]
        if not fitting:
            raise ComparisonError(
                f"there is no exercise {name!r}: expected a name such as {COURSE[0].name}, or a "
                f"number from 1 to {len(COURSE)}; `list` shows them"
            )
        found += fitting
    return list({e.name: e for e in found}.values())
