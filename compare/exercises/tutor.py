"""The tutor of one folder: checks a file, remembers what came out, gives hints and solutions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compare.exercises.checking import NOT_DONE, Verdict, check_text
from compare.exercises.course import COURSE
from compare.exercises.digits import read_digits
from compare.exercises.exercise import Exercise
from compare.exercises.folder import Progress, file_name, number, page
from compare.exercises.hints import hint
from compare.exercises.making import made
from compare.trial.errors import ComparisonError


@dataclass
class Tutor:
    """Of a folder that ``start`` made."""

    folder: Path
    seed: int = 0

    def __post_init__(self) -> None:
        """Read the progress.

        Raises:
            ComparisonError: The folder has no exercises.
        """
        if not any((self.folder / file_name(e)).exists() for e in COURSE):
            raise ComparisonError(
                f"{self.folder} has no exercises: put them there with "
                f"`python -m compare.exercises start {self.folder}`, or name another folder"
            )
        self.progress = Progress.of(self.folder)

    def path(self, exercise: Exercise) -> Path:
        """Of its file."""
        return self.folder / file_name(exercise)

    def check(self, exercise: Exercise) -> Verdict:
        """Check the file, and remember what came out."""
        verdict = self.verdict(exercise)
        kept = self.progress[exercise.name]
        if verdict.state != NOT_DONE:
            kept["attempts"] += 1
        kept["solved"] = verdict.solved
        kept["last"] = kept["part"] = ""
        if verdict.cause is not None:
            kept["last"], kept["part"] = verdict.cause.sentence, verdict.cause.part
            kept["mistakes"].append(verdict.cause.name)
        self.progress.save()
        return verdict

    def verdict(self, exercise: Exercise) -> Verdict:
        """What is said of the file as it is now."""
        try:
            text = self.path(exercise).read_text(encoding="utf-8")
        except FileNotFoundError:
            missing = f"there is no {file_name(exercise)}: reset {exercise.name} brings it back"
            return Verdict(exercise.name, NOT_DONE, None, [missing])
        except (OSError, UnicodeDecodeError) as error:
            said = f"{file_name(exercise)} cannot be read: {error}"
            return Verdict(exercise.name, NOT_DONE, None, [said])
        verdict = check_text(exercise, text, str(self.path(exercise)), self.seed)
        if verdict.solved and exercise.name == "digits":
            return read_digits(exercise, verdict, text, str(self.path(exercise)))
        return verdict

    def solved(self, exercise: Exercise) -> bool:
        """Whether it was when it was last checked."""
        return bool(self.progress[exercise.name]["solved"])

    def next(self) -> Exercise | None:
        """The first that is not solved, of those that are there."""
        return next((e for e in self.there() if not self.solved(e)), None)

    def there(self) -> Sequence[Exercise]:
        """Those with a file."""
        return [e for e in COURSE if self.path(e).exists()]

    def hint(self, exercise: Exercise) -> str:
        """The next one, at last the third again."""
        kept = self.progress[exercise.name]
        kept["hints"] = step = min(kept["hints"] + 1, 3)
        self.progress.save()
        said = hint(exercise, step, kept["last"], kept["part"])
        return f"hint {step} of 3 for {exercise.name}, {said}"

    def solution(self, exercise: Exercise, give_up: bool) -> str:
        """The answer, as the project has it.

        Raises:
            ComparisonError: It is not solved yet, and nobody gave up.
        """
        if not give_up and not self.verdict(exercise).solved:
            raise ComparisonError(
                f"{exercise.name} is not solved yet: ask for a hint, or add --give-up"
            )
        piece = made(exercise)
        of = exercise.source.of
        return f"{piece.statement(piece.answer)}\nfrom {of.__module__}, {of.__qualname__}"

    def reset(self, exercise: Exercise) -> None:
        """The file as it was at the start; what was in it is kept beside it."""
        path = self.path(exercise)
        if path.exists():
            path.replace(path.with_suffix(".py.before"))
        path.write_text(page(exercise), encoding="utf-8")
        self.progress.done.pop(exercise.name, None)
        self.progress.save()

    def grades(self, exercises: Sequence[Exercise]) -> list[dict[str, Any]]:
        """Of each exercise whether it is solved now, the attempts, and the mistakes made."""
        found = []
        for exercise in exercises:
            verdict, kept = self.verdict(exercise), self.progress[exercise.name]
            found.append(
                {
                    "number": number(exercise),
                    "exercise": exercise.name,
                    "state": verdict.state,
                    "solved": verdict.solved,
                    "attempts": kept["attempts"],
                    "hints": kept["hints"],
                    "mistakes": kept["mistakes"],
                    "now": verdict.cause.sentence if verdict.cause else "",
                }
            )
        return found
