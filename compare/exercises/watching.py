"""``watch``: whatever is saved in the folder is checked, in a process that has imported already."""

import time
from collections.abc import Callable

from compare.exercises.checking import Verdict
from compare.exercises.exercise import Exercise
from compare.exercises.tutor import Tutor

_PAUSE = 0.1  # seconds between two looks at the folder


def watch(
    tutor: Tutor,
    say: Callable[[Exercise, Verdict], None],
    done: Callable[[], bool] = lambda: False,
) -> None:
    """Check each file when it is saved, until all are solved.

    Args:
        tutor: Of the folder.
        say: Called with each verdict.
        done: Asked after every look whether to stop.
    """
    seen = _times(tutor)
    while not done() and tutor.next() is not None:
        time.sleep(_PAUSE)
        now = _times(tutor)
        for exercise in tutor.there():
            if now.get(exercise.name) != seen.get(exercise.name):
                say(exercise, tutor.check(exercise))
        seen = now


def _times(tutor: Tutor) -> dict[str, int]:
    """When each file was written last."""
    found = {}
    for exercise in tutor.there():
        try:
            found[exercise.name] = tutor.path(exercise).stat().st_mtime_ns
        except FileNotFoundError:  # an editor is replacing it
            continue
    return found
