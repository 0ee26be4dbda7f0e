"""Exercises: a learner writes the missing line of a backward, and is told which mistake it is.

``python -m compare.exercises start DIR`` puts a file for each into a folder; ``check`` is for a
function or class in a notebook's cell.
"""

import sys
from pathlib import Path
from typing import Any


def check(answer: Any, name: str | None = None, seed: int = 0) -> Any:
    """Check a function or an ``autograd.Function`` that answers an exercise.

    Args:
        answer: The function or class.
        name: The exercise; known without it where its function has a name of its own.
        seed: Of the numbers that it is tried on.

    Returns:
        The verdict, which shows itself.

    Raises:
        LookupError: There is no such exercise, or several ask for such a function.
    """
    from compare.exercises.checking import check_function
    from compare.exercises.course import COURSE

    called = getattr(answer, "__name__", "")
    found = [e for e in COURSE if name == e.name or (name is None and e.function == called)]
    if len(found) != 1:
        fitting = ", ".join(e.name for e in (found or COURSE))
        raise LookupError(
            f"which exercise is {name or called}? Say check(…, NAME), one of {fitting}"
        )
    return check_function(found[0], answer, seed)


def own(name: str) -> Any:
    """The function that the learner wrote for another exercise, from the file beside this one.

    Raises:
        LookupError: It is not there, or not yet done.
    """
    from compare.exercises.checking import is_blank
    from compare.exercises.course import COURSE
    from compare.exercises.trials import solution

    exercise = next(e for e in COURSE if e.name == name)
    asking = sys._getframe(1).f_globals.get("__file__")
    if asking is None:  # not the learner's file, but the solution
        return solution(exercise)[exercise.function]
    file = next(Path(asking).parent.glob(f"[0-9][0-9]_{name}.py"), None)
    text = "" if file is None else file.read_text(encoding="utf-8")
    if is_blank(text):
        raise LookupError(f"solve {name} first: this exercise uses what you wrote there")
    names: dict[str, Any] = {"__name__": name, "__file__": str(file)}
    exec(compile(text, str(file), "exec"), names)
    return names[exercise.function]
