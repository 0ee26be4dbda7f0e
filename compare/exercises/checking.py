"""Whether an answer is right; where it is not, why, and where it is seen first."""

import ast
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from compare.diagnosis.mistake import Mistake
from compare.exercises.answering import Answers, Namespace, answers, arguments, loads
from compare.exercises.causes import Cause, Found, cause
from compare.exercises.exercise import Exercise
from compare.exercises.making import BLANK, made
from compare.exercises.shown_numbers import numbers
from compare.exercises.trials import TrialOfAnswer, is_right, trials

SOLVED, WRONG, NOT_DONE = "solved", "wrong", "not yet done"
_OURS = ("manual_backprop", "torch_models", "compare")


@dataclass(frozen=True)
class Verdict:
    """What is said of an answer."""

    exercise: str
    state: str
    cause: Cause | None = None
    lines: Sequence[str] = ()
    printed: str = ""

    @property
    def solved(self) -> bool:
        """Whether it is right."""
        return self.state == SOLVED

    def __str__(self) -> str:
        shown = [f"{self.exercise}: {self.state}", *self.lines]
        if self.printed:
            shown += ["it printed:", *(f"    {line}" for line in self.printed.splitlines())]
        return "\n".join(shown)

    __repr__ = __str__


def check_text(exercise: Exercise, text: str, file: str, seed: int = 0) -> Verdict:
    """Check a learner's file.

    Args:
        exercise: Which one it is.
        text: What is in the file.
        file: Its name, as errors show it.
        seed: Of the numbers that it is tried on.
    """
    if is_blank(text):
        return _not_done(exercise)
    if module := _imported(exercise, text):
        return _not_by_hand(exercise, f"`{module}`, the reference")
    return _checked(exercise, loads(text, file), file, seed)


def check_function(exercise: Exercise, function: Any, seed: int = 0) -> Verdict:
    """Check a function or class that is there already, as in a notebook's cell."""
    try:
        text = inspect.getsource(function)
        file = inspect.getsourcefile(function) or ""
    except (OSError, TypeError):
        text, file = "", getattr(getattr(function, "__code__", None), "co_filename", "")
    if text and is_blank(text):  # without a source it cannot be told, and runs
        return _not_done(exercise)
    if module := _imported(exercise, text):
        return _not_by_hand(exercise, f"`{module}`, the reference")
    return _checked(exercise, lambda: {exercise.function: function}, file, seed)


def is_blank(text: str) -> bool:
    """Whether a statement still is the blank."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    if not any(isinstance(n, ast.stmt) for n in tree.body):
        return True
    values = [getattr(n, "value", None) for n in ast.walk(tree) if isinstance(n, ast.stmt)]
    return any(isinstance(v, ast.Constant) and v.value is Ellipsis for v in values)


def _imported(exercise: Exercise, text: str) -> str:
    """The part of this project that it takes the answer from, where that was not given."""
    given = set(_modules("\n".join(made(exercise).imports)))
    named = (name for name in _modules(text) if name.partition(".")[0] in _OURS)
    return next((name for name in named if name not in given), "")


def _modules(text: str) -> Iterator[str]:
    """What it imports, or names as a string, which may be imported by that."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and " " not in str(node.value):
            yield str(node.value)


def _not_done(exercise: Exercise) -> Verdict:
    return Verdict(exercise.name, NOT_DONE, None, [f"write {exercise.derive} in place of {BLANK}"])


def _not_by_hand(exercise: Exercise, who: str) -> Verdict:
    said = f"this leaves the derivative to {who}: write it yourself"
    return Verdict(exercise.name, WRONG, Cause("not by hand", said), [said])


def _checked(exercise: Exercise, load: Callable[[], Namespace], file: str, seed: int) -> Verdict:
    asked = trials(exercise, seed)
    given = answers(exercise, load, file, [t.scope for t in asked])
    if given.by:
        return _not_by_hand(exercise, given.by)
    if given.stopped:
        return Verdict(exercise.name, WRONG, Cause("no end", given.stopped), [given.stopped])
    if given.error:
        return _raised(exercise, asked, given)
    wrong = [i for i, t in enumerate(asked) if not _all_right(exercise, t, given.results[i])]
    if not wrong:
        return Verdict(exercise.name, SOLVED, printed=given.printed)
    first = wrong[0]
    found = (
        _seen(exercise, asked, given.results)
        or _shaped(asked[first], given.results[first])
        or cause(exercise, asked, given.results)
    )
    shown = next((i for i in wrong if _is_short(exercise, asked[i])), first)
    lines = [found.sentence, *_counterexample(exercise, asked[shown], given.results[shown])]
    return Verdict(exercise.name, WRONG, found, lines, given.printed)


def _all_right(exercise: Exercise, trial: TrialOfAnswer, row: Sequence[Tensor | None]) -> bool:
    return len(row) == len(trial.right) and all(
        is_right(x, true, exercise.relative) for x, true in zip(row, trial.right, strict=True)
    )


def _seen(exercise: Exercise, asked: Sequence[TrialOfAnswer], found: Found) -> Cause | None:
    """What is right but for its digits, for its second derivative, for its shape."""

    def all_are(right: Callable[[Tensor, Tensor], bool], first: int | None = None) -> bool:
        return all(
            len(row) == len(trial.right)
            and all(
                x is not None and true is not None and right(x, true)
                for x, true in zip(row[:first], trial.right[:first], strict=True)
            )
            for trial, row in zip(asked, found, strict=True)
        )

    if exercise.relative and all_are(is_right):
        said = (
            "it loses its digits where the result is small: nearly equal numbers are "
            "subtracted there"
        )
        return Cause("cancellation", said)
    if exercise.again and all_are(is_right, 1):
        said = "correct, but wrong when differentiated again: part of it is treated as a constant"
        return Cause("not differentiable again", said)
    if all_are(lambda x, true: x.numel() == true.numel() and is_right(x.reshape(true.shape), true)):
        shapes = [
            f"{tuple(x.shape)} for {tuple(true.shape)}"
            for x, true in zip(found[-1], asked[-1].right, strict=True)
            if x is not None and true is not None and x.shape != true.shape
        ]
        said = f"the right numbers in the wrong shape: {', '.join(shapes)}"
        return Cause(Mistake.WRONG_SHAPE.value, said)
    return None


def _shaped(trial: TrialOfAnswer, row: Sequence[Tensor | None]) -> Cause | None:
    """What is seen without a look at the numbers."""
    if len(row) != len(trial.right):
        said = f"it returns {len(row)} results instead of {len(trial.right)}"
        return Cause("missing result", said)
    for x, true in zip(row, trial.right, strict=True):
        if true is None and x is not None:
            return Cause("not needed", "it computes a gradient that is not needed")
        if x is None and true is not None:
            return Cause(
                "missing result",
                "it returns None, or something that is not a tensor, instead of a gradient",
            )
        if x is not None and true is not None and x.dtype != true.dtype:
            said = f"it is {_type(x)}, but its inputs are {_type(true)}"
            return Cause(Mistake.LOWER_PRECISION.value, said)
    return None


def _type(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")


def _raised(exercise: Exercise, asked: Sequence[TrialOfAnswer], given: Answers) -> Verdict:
    error = given.error or {}
    lines = [str(error["message"])]
    if error.get("line"):
        lines.append(f"    line {error['line']}:  {(error.get('text') or '').strip()}")
    if error["type"] not in ("SyntaxError", "NameError", ""):
        came = _given(exercise, asked[min(len(given.results), len(asked) - 1)])
        sizes = [f"{n} {tuple(x.shape)}" for n, x in came.items() if isinstance(x, Tensor)]
        lines.append(f"    given  {', '.join(sizes)}")
    return Verdict(
        exercise.name, WRONG, Cause(Mistake.RAISED.value, lines[0]), lines, given.printed
    )


def _given(exercise: Exercise, trial: TrialOfAnswer) -> dict[str, Any]:
    """What the answer was given, by its names."""
    names = exercise.source.alone or exercise.source.arguments
    if not names and not exercise.is_class:
        names = arguments(exercise)
    return {n: x for n, x in trial.scope.items() if not names or n in names}


def _is_short(exercise: Exercise, trial: TrialOfAnswer) -> bool:
    """Whether there are only whole numbers to read, and halves, quarters, eighths."""
    tensors = [x for x in _given(exercise, trial).values() if isinstance(x, Tensor)]
    return trial.whole and all(bool((x * 8 == (x * 8).round()).all()) for x in tensors)


def _counterexample(
    exercise: Exercise, trial: TrialOfAnswer, row: Sequence[Tensor | None]
) -> list[str]:
    """The smallest that there is: what came in, what came out, what should have."""
    names = [part.strip() for part in exercise.derive.split(",")]
    if len(names) != len(trial.right):
        names = [f"result {i + 1} of {len(trial.right)}" for i in range(len(trial.right))]
    lines = [f"    given        {n} = {numbers(x)}" for n, x in _given(exercise, trial).items()]
    for name, x, true in zip(names, row, trial.right, strict=False):
        if not is_right(x, true, exercise.relative):
            lines.append(f"    you gave     {name} = {numbers(x)}")
            lines.append(f"    it should be {name} = {numbers(true)}")
            break
    return lines
