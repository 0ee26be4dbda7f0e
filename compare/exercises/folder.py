"""The learner's folder: a numbered file for each exercise, and what has been done so far."""

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from compare.exercises.course import COURSE
from compare.exercises.exercise import Exercise
from compare.exercises.making import BLANK, made
from compare.exercises.shown_numbers import numbers
from compare.exercises.trials import example_trial

#: Where progress is kept. Who deletes it loses the count of attempts and nothing else.
PROGRESS = "progress.json"


def number(exercise: Exercise) -> int:
    """Its place in the course, from 1."""
    return [e.name for e in COURSE].index(exercise.name) + 1


def file_name(exercise: Exercise) -> str:
    """Of its file."""
    return f"{number(exercise):02d}_{exercise.name}.py"


def page(exercise: Exercise, answer: str = BLANK) -> str:
    """The learner's file, with this in the blank."""
    given = textwrap.indent(exercise.given, "    ")
    head = f'''"""{number(exercise)}. {exercise.title}

{given}

Derive   {exercise.derive} = …

A worked example with small numbers:

{textwrap.indent(by_hand(exercise), "    ")}

Write it in place of {BLANK}, without autograd. Then save the file, or run
python -m compare.exercises check {exercise.name}
"""'''
    return f"{head}\n\n{made(exercise).with_answer(answer)}"


def by_hand(exercise: Exercise) -> str:
    """The example: what is given, and how it comes out."""
    trial = example_trial(exercise)
    shown = ", ".join(f"{name} = {numbers(x)}" for name, x in trial.items() if _counts(x))
    lines = [*textwrap.wrap(shown, 88), *textwrap.wrap(exercise.worked, 88)]
    return "\n".join(lines)


def _counts(x: Any) -> bool:
    return not isinstance(x, Tensor) or x.numel() > 0


def start(folder: Path, exercises: Sequence[Exercise] = COURSE) -> tuple[int, int]:
    """Put the files there; those that are there already stay as they are.

    Returns:
        How many were written, and how many were there.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = 0
    for exercise in exercises:
        path = folder / file_name(exercise)
        if path.exists():
            there += 1
        else:
            path.write_text(page(exercise), encoding="utf-8")
    return len(exercises) - there, there


@dataclass
class Progress:
    """What has been tried: of each exercise attempts, mistakes, hints, whether it is solved."""

    path: Path
    done: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> "Progress":
        """As it was left; nothing where there is none, or where it cannot be read."""
        path = folder / PROGRESS
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        kept = found if isinstance(found, dict) else {}
        return cls(path, {k: v for k, v in kept.items() if isinstance(v, dict)})

    def __getitem__(self, name: str) -> dict[str, Any]:
        """Of one exercise."""
        new = {"solved": False, "attempts": 0, "mistakes": [], "hints": 0, "last": "", "part": ""}
        kept = {k: v for k, v in self.done.get(name, {}).items() if type(v) is type(new.get(k))}
        self.done[name] = {**new, **kept}
        return self.done[name]

    def save(self) -> None:
        """Write it; it is not worth an error where that is impossible."""
        try:
            text = json.dumps(self.done, indent=2, ensure_ascii=False)
            self.path.write_text(text + "\n", encoding="utf-8")
        except OSError:
            pass
