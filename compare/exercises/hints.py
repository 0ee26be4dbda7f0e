"""Hints in three steps: which equation, which term, the line with a gap."""

import ast

from compare.exercises.exercise import Exercise
from compare.exercises.making import made

_GAP = "____"


def hint(exercise: Exercise, step: int, cause: str = "", part: str = "") -> str:
    """One hint.

    Args:
        exercise: That it is for.
        step: 1, 2 or 3.
        cause: The sentence that was said of the last wrong answer; "" for none.
        part: The part of the right answer that the last wrong one missed; "" where that is unknown.
    """
    if step == 1:
        return f"the equation: {exercise.equation}"
    if step == 2:
        return f"the term: {f'{cause}. ' if cause else ''}{exercise.term}"
    return f"the line, with a gap: {with_gap(exercise, part)}"


def with_gap(exercise: Exercise, part: str = "") -> str:
    """The answer without that part of it, or without its last factor."""
    piece = made(exercise)
    answer = piece.answer
    if part in answer and part not in ("", answer):
        return piece.statement(answer.replace(part, _GAP, 1))
    tree = ast.parse(answer)
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.BinOp | ast.Call)]
    for node in nodes:
        inner = node.right if isinstance(node, ast.BinOp) else (node.args or [node.func])[-1]
        text = ast.unparse(inner)
        if text in answer and 0 < len(text) < len(answer):
            before, _, after = answer.rpartition(text)
            return piece.statement(f"{before}{_GAP}{after}")
    return piece.statement(_GAP)
