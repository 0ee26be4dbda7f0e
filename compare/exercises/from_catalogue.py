"""Wrong and right backwards of the catalogue, as answers to the exercise of their layer."""

import ast
import builtins
import copy
from collections.abc import Callable, Iterator
from typing import Any

from compare.catalogue import entries
from compare.diagnosis.mistake import Mistake
from compare.exercises.exercise import Exercise
from compare.repair.source import written

_KNOWN = {"torch", *dir(builtins)}
# The catalogue's names by what they are called where the learner's line is known.
_ALSO = {
    Mistake.NO_DERIVATIVE: "missing factor",
    Mistake.NO_CROSS_TERM: "missing term",
    Mistake.NO_TARGET: "missing term",
}


def wrong(exercise: Exercise) -> Iterator[tuple[str, set[str]]]:
    """What its entry calls wrong, and what each may be called."""
    for entry in entries() if exercise.entry else ():
        if entry.name == exercise.entry:
            for bug in entry.wrong.values():
                text = _as_answer(exercise, bug.formula)
                if text and bug.gradient == exercise.gradient:
                    names = bug.mistakes if isinstance(bug.mistakes, set) else {bug.mistakes}
                    yield text, {n.value for n in names} | {_ALSO[n] for n in names & _ALSO.keys()}


def right(exercise: Exercise) -> Iterator[str]:
    """Its entry's right ones that give this gradient alone."""
    for entry in entries() if exercise.entry else ():
        if entry.name == exercise.entry:
            texts = [_as_answer(exercise, formula) for formula in entry.right.values()]
            yield from (text for text in texts if text and not text.startswith("("))


def _as_answer(exercise: Exercise, formula: Callable[..., Any]) -> str:
    """A formula of one line in the names of the exercise; "" where it needs more than it has."""
    place = written(formula)
    if place is None or not isinstance(place.tree, ast.Lambda):
        return ""
    names = dict(zip((a.arg for a in place.tree.args.args), exercise.formula, strict=False))

    class Renamed(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.Name:
            return ast.Name(names.get(node.id, node.id), ast.Load())

    body = Renamed().visit(copy.deepcopy(place.tree.body))
    used = {n.id for n in ast.walk(body) if isinstance(n, ast.Name)}
    return ast.unparse(body) if used <= _KNOWN | set(names.values()) - {""} else ""
