"""Why an answer is wrong: by ``compare.diagnosis``, or by the slip that gives the same numbers.

The source's own statement is made wrong by one slip of the pen at a time. Where a slip gives what
the learner's code gives, in every trial, it is the mistake, and the change that undoes it is
verified by the same trials.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from compare.catalogue.slips import Slip, slips
from compare.diagnosis import diagnose
from compare.diagnosis.mistake import Mistake
from compare.exercises.answering import answer
from compare.exercises.exercise import Exercise
from compare.exercises.making import made
from compare.exercises.trials import TrialOfAnswer, evidence, is_right, namespace

Found = Sequence[Sequence[Tensor | None]]

# What each kind of slip is called, and what is said of it; {of} are the names in what is lost.
_SAID = {
    "sign": ("sign", "a sign in it is the wrong one"),
    "factor lost": ("missing factor", "a factor is missing{of}"),
    "term lost": ("missing term", "a term is missing{of}"),
    "operator": ("another operation", "two parts are joined by the wrong operation"),
    "comparison": ("comparison", "a comparison is turned, or off by its border"),
    "constant": ("another number", "a number in it is the wrong one"),
    "name": ("another tensor", "one tensor stands where another belongs"),
    "subscript lost": ("missing index", "an index is missing{of}"),
    "transpose lost": ("transposed", "a transpose is missing{of}"),
    "call lost": ("missing step", "a step is missing{of}"),
    "argument lost": ("another argument", "a function is given too little: look at its dimensions"),
    "arguments exchanged": ("arguments exchanged", "two arguments are in each other's place"),
    "reduction": ("sum for mean", "a sum stands for a mean, or a mean for a sum"),
    "function": ("another function", "a function in it is the wrong one"),
    "results exchanged": ("results exchanged", "two results are in each other's place"),
    "None": ("missing result", "a result is missing"),
    "statement lost": ("missing step", "a step is missing"),
    "factor too many": ("factor too many", "a factor is too much{of}"),
    "term too many": ("term too many", "a term is too much{of}"),
}
# Said where no slip says more: what there is no name for, or only the place of.
_VAGUE = {Mistake.UNKNOWN, Mistake.IN_A_PART, Mistake.PART_OF_BATCH, Mistake.DETACHED}


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
    if said is not None and said.name not in _VAGUE:
        return said
    return _slipped(exercise, trials, found) or said or Cause(Mistake.UNKNOWN, "it is wrong")


def _diagnosed(
    exercise: Exercise, trials: Sequence[TrialOfAnswer], found: Found, place: int
) -> Cause | None:
    if exercise.again:
        return None
    rows = []
    for trial, row in zip(trials, found, strict=True):
        keys, seen = evidence(exercise, trial, row)
        wrong = not is_right(row[place], trial.right[place])
        if place < len(trial.right) and trial.right[place] is not None:
            rows.append((wrong, trial.size, keys[place], seen))
    rows.sort(key=lambda r: (not r[0], -r[1]))
    d = diagnose(rows[0][2], [seen for *_, seen in rows])
    return Cause(d.mistake.value, d.sentence)


def _slipped(
    exercise: Exercise, trials: Sequence[TrialOfAnswer], found: Found
) -> Cause | None:
    piece = made(exercise)
    text = piece.with_answer(piece.answer)
    for slip in every_slip(exercise, text):
        source = text.encode()
        try:
            edited = (source[: slip.start] + slip.text.encode() + source[slip.end :]).decode()
            names = namespace(edited)
            same = all(
                _same(answer(exercise, names, trial.scope), row)
                for trial, row in zip(reversed(trials), reversed(found), strict=True)
            )
        except Exception:
            continue  # what makes no sense is not what the learner wrote
        if same:
            name, says = _SAID[slip.kind]
            lost = source[slip.start : slip.end].decode()
            return Cause(name, says.format(of=_of(lost, slip)), lost)
    return None


def every_slip(exercise: Exercise, text: str) -> Iterator[Slip]:
    """Those in the statement that is asked for, the likeliest first."""
    piece = made(exercise)
    answer_lines = piece.statement(piece.answer).splitlines()
    stripped = [line.strip() for line in text.splitlines()]
    first = stripped.index(answer_lines[0].strip()) + 1
    last = first + len(answer_lines) - 1
    functions = [exercise.function]
    if exercise.is_class:
        functions = [f"{exercise.function}.{name}" for name in ("forward", "setup_context", "backward")]
    inside = [s for s in slips(text, functions) if first <= s.line <= last]
    order = list(_SAID)
    yield from sorted(inside, key=lambda s: order.index(s.kind) if s.kind in order else 99)
    yield from _too_much(text, piece.answer, piece.start, first)


def _too_much(text: str, expression: str, start: str, line: int) -> Iterator[Slip]:
    if not start:
        return
    at = text.index(f"{start}{expression}") + len(start)
    begin = len(text[:at].encode())
    end = begin + len(expression.encode())
    names = {n.id for n in ast.walk(ast.parse(expression)) if isinstance(n, ast.Name)} - {"torch"}
    for name in sorted(names):
        for kind, sign in (("factor", "*"), ("factor", "/"), ("term", "+"), ("term", "-")):
            yield Slip(f"{kind} too many", begin, end, f"({expression}) {sign} {name}", line, line)
        for factor in (f"{name} * (1 - {name})", f"(1 - {name})", f"(1 - {name} * {name})"):
            slip = f"({expression}) * {factor}"
            yield Slip("factor too many", begin, end, slip, line, line)


def _same(row: Sequence[object], found: Sequence[Tensor | None]) -> bool:
    return len(row) == len(found) and all(
        is_right(x, y) if isinstance(x, Tensor) else x is None and y is None
        for x, y in zip(row, found, strict=True)
    )


def _of(lost: str, slip: Slip) -> str:
    """The names in what is lost, or too much; not how they stand there."""
    def names(text: str) -> list[str]:
        try:
            return [n.id for n in ast.walk(ast.parse(text.strip(), mode="eval")) if isinstance(n, ast.Name)]
        except SyntaxError:
            return []

    before, after = names(lost), names(slip.text)
    gone = [n for n in dict.fromkeys(before) if before.count(n) > after.count(n)]
    gone += [n for n in dict.fromkeys(after) if after.count(n) > before.count(n)]
    gone = [n for n in gone if n != "torch"]
    return f", one with {' and '.join(f'`{n}`' for n in gone)} in it" if gone else ""
