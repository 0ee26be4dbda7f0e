"""The right answers, each made wrong in every way that one slip of the pen can make it.

The slips are those of ``compare.catalogue.slips``; what a pen adds, and what an ``if`` loses, comes
on top of them.
"""

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple

from compare.catalogue.slips import slips
from compare.exercises.exercise import Exercise
from compare.exercises.making import made

#: What each kind of slip is called, and what is said of it; {of} names the tensors in it.
SAID = {
    "sign": ("sign", "a sign in it is the wrong one"),
    "factor lost": ("missing factor", "a factor is missing{of}"),
    "term lost": ("missing term", "a term is missing{of}"),
    "operator": ("another operation", "two parts are joined by the wrong operation"),
    "comparison": ("comparison", "a comparison is turned, or off by its border"),
    "reduction": ("sum for mean", "a sum stands for a mean, or a mean for a sum"),
    "transpose lost": ("transposed", "a transpose is missing{of}"),
    "constant": ("another number", "a number in it is the wrong one"),
    "results exchanged": ("results exchanged", "two results are in each other's place"),
    "arguments exchanged": ("arguments exchanged", "two arguments are in each other's place"),
    "name": ("another tensor", "one tensor stands where another belongs"),
    "function": ("another function", "a function in it is the wrong one"),
    "condition": ("condition", "the two cases are mixed up, or one of them is left out"),
    "factor too many": ("factor too many", "a factor is too much{of}"),
    "term too many": ("term too many", "a term is too much{of}"),
    "call lost": ("missing step", "a step is missing{of}"),
    "argument lost": ("another argument", "a function is given too little: look at its dimensions"),
    "subscript lost": ("missing index", "an index is missing{of}"),
    "None": ("missing result", "a result is missing"),
    "statement lost": ("missing step", "a step is missing"),
}
_METHODS = ("forward", "setup_context", "backward")


class Variant(NamedTuple):
    """A wrong answer: the text of its file, and what was done to the right one."""

    kind: str
    text: str
    part: str  # of the right answer, as it is written there
    of: str  # the tensors in that part, for people


def variants(exercise: Exercise) -> Iterator[Variant]:
    """Of the source's own answer, then of the other right ones; the likeliest first."""
    piece = made(exercise)
    for right in (piece.answer, *exercise.right):
        text = piece.with_answer(right)
        lines = piece.statement(right).splitlines()
        yield from _by_slips(exercise, text, lines)
        if piece.is_expression(right):
            for kind, other, part in _more(right):
                yield Variant(kind, piece.with_answer(other), part, _of(part, ""))


def _by_slips(exercise: Exercise, text: str, lines: list[str]) -> Iterator[Variant]:
    every = [line.strip() for line in text.splitlines()]
    first = every.index(lines[0].strip()) + 1
    functions = [exercise.function]
    if exercise.is_class:
        functions = [f"{exercise.function}.{name}" for name in _METHODS]
    inside = [s for s in slips(text, functions) if first <= s.line < first + len(lines)]
    source, order = text.encode(), list(SAID)
    for slip in sorted(inside, key=lambda s: order.index(s.kind)):
        part = source[slip.start : slip.end].decode()
        edited = source[: slip.start] + slip.text.encode() + source[slip.end :]
        yield Variant(slip.kind, edited.decode(), part, _of(part, slip.text))


def _more(right: str) -> Iterator[tuple[str, str, str]]:
    """A tensor that is left out of a product, a case that is lost, a factor or term too many."""
    tree = ast.parse(right, mode="eval").body
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Name | ast.IfExp)]
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.IfExp):
            turned = ast.IfExp(node.test, node.orelse, node.body)
            for other in (node.body, node.orelse, turned):
                yield "condition", _replaced(tree, node, other), ast.unparse(node)
        elif node.id != "torch" and id(node) not in called:
            ones = ast.parse(f"torch.ones_like({node.id})", mode="eval").body
            yield "factor lost", _replaced(tree, node, ones), node.id
    if isinstance(tree, ast.Tuple):
        return
    for name in sorted({n.id for n in nodes if isinstance(n, ast.Name)} - {"torch"}):
        for factor in (name, f"(1 - {name})", f"{name} * (1 - {name})", f"(1 - {name} * {name})"):
            yield "factor too many", f"({right}) * {factor}", name
        yield "factor too many", f"({right}) / {name}", name
        yield "factor too many", f"({right}) / ({name} * (1 - {name}))", name
        yield "factor too many", f"({right}) / len({name})", name
        yield "factor too many", f"({right}) / {name}.shape[-1]", name
        for sign in "+-":
            yield "term too many", f"({right}) {sign} {name}", name
    yield "factor too many", f"({right}) ** 2", ""


def _replaced(tree: ast.expr, node: ast.expr, other: ast.expr) -> str:
    class Replaced(ast.NodeTransformer):
        def visit(self, n: ast.AST) -> ast.AST:
            return other if n is node else super().visit(n)

    memo: dict[int, ast.AST] = {id(node): node}  # the same object in the copy
    return ast.unparse(Replaced().visit(copy.deepcopy(tree, memo)))


def _of(part: str, instead: str) -> str:
    """The names that a part has and its replacement has not; not how they stand there."""

    def names(text: str) -> list[str]:
        try:
            nodes = list(ast.walk(ast.parse(text.strip(), mode="eval")))
        except SyntaxError:
            return []
        return [n.id for n in nodes if isinstance(n, ast.Name) and n.id != "torch"]

    before, after = names(part), names(instead)
    gone = [n for n in dict.fromkeys(before) if before.count(n) > after.count(n)]
    return f", one with {' and '.join(f'`{n}`' for n in gone)} in it" if gone else ""
