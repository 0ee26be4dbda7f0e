"""Whether the tutor is right: each exercise with its solution, wrong answers, right ones, none.

What a wrong answer may be called is written beside it, by people, and not taken from the tool.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compare.exercises import from_catalogue
from compare.exercises.checking import NOT_DONE, Verdict, check_text
from compare.exercises.course import COURSE
from compare.exercises.exercise import Exercise
from compare.exercises.folder import file_name, page
from compare.exercises.making import BLANK, made

_ENOUGH = 0.95  # of the causes


@dataclass
class Result:
    """What came out, in numbers, and what was not as it should be."""

    exercises: int = 0
    wrong: int = 0
    found: int = 0
    cause_right: int = 0
    right: int = 0
    rejected: int = 0
    blank: int = 0
    missed: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """All wrong ones found, nearly all called what they are, no right one rejected."""
        return (
            self.found == self.wrong
            and self.cause_right >= _ENOUGH * self.wrong
            and not self.rejected
            and self.blank == self.exercises
        )

    @property
    def line(self) -> str:
        """All of it in one."""
        return (
            f"{'passed' if self.passed else 'FAILED'}: {self.exercises} exercises, {self.blank} "
            f"not yet done while blank; of {self.wrong} wrong answers {self.found} found, "
            f"{self.cause_right} with the right cause; of {self.right} right ones {self.rejected} "
            "rejected"
        )

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        names = (
            "exercises",
            "wrong",
            "found",
            "cause_right",
            "right",
            "rejected",
            "blank",
            "missed",
        )
        numbers = {name: getattr(self, name) for name in names}
        path.write_text(json.dumps(numbers, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def run(
    exercises: Sequence[Exercise], seed: int = 0, advance: Callable[[], None] = lambda: None
) -> Result:
    """Every answer through the whole of the tutor, the learner's process included.

    Args:
        exercises: Those that are tried.
        seed: Of the numbers that answers are tried on.
        advance: Called after each.
    """
    result = Result()
    with tempfile.TemporaryDirectory() as folder:
        solved = Path(folder)
        for exercise in COURSE:
            text = page(exercise, made(exercise).answer)
            (solved / file_name(exercise)).write_text(text, encoding="utf-8")
        for exercise in exercises:
            _one(exercise, str(solved / file_name(exercise)), seed, result)
            advance()
    return result


def _one(exercise: Exercise, file: str, seed: int, result: Result) -> None:
    def verdict(answer: str) -> Verdict:
        return check_text(exercise, page(exercise, answer), file, seed)

    result.exercises += 1
    result.blank += verdict(BLANK).state == NOT_DONE
    for answer in dict.fromkeys([made(exercise).answer, *right_answers(exercise)]):
        result.right += 1
        if not (found := verdict(answer)).solved:
            result.rejected += 1
            result.missed.append(f"{exercise.name}: right, but rejected: {answer}\n{found}")
    for answer, causes in wrong_answers(exercise):
        result.wrong += 1
        found = verdict(answer)
        if found.cause is None:
            result.missed.append(f"{exercise.name}: wrong, but {found.state}: {answer}")
            continue
        result.found += 1
        if found.cause.name in causes:
            result.cause_right += 1
        else:
            expected = " or ".join(sorted(causes))
            result.missed.append(
                f"{exercise.name}: {answer}: {expected} expected, called {found.cause.name}: "
                f"{found.cause.sentence}"
            )


def wrong_answers(exercise: Exercise) -> Iterator[tuple[str, set[str]]]:
    """The exercise's own and its entry's, each with what it may be called."""
    own = {a: {c} if isinstance(c, str) else set(c) for a, c in exercise.wrong.items()}
    theirs = {a: c for a, c in from_catalogue.wrong(exercise) if a not in own}
    yield from {**own, **theirs}.items()


def right_answers(exercise: Exercise) -> list[str]:
    """Right ones written otherwise."""
    return [*exercise.right, *from_catalogue.right(exercise)]
