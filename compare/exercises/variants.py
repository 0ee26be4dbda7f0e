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

#: What each kind of slip is called, and what is said of it, the likeliest first; {of} names the
#: tensors in it.
SAID = {
    "statement lost": (
        "missing step",
        "the step has no effect: it is not made",
    ),
    "condition": ("condition", "the two cases are mixed up, or one of them is left out"),
    "sign": ("sign", "a sign is wrong"),
    "factor lost": ("missing factor", "a factor is missing{of}"),
    "term lost": ("missing term", "a term is missing{of}"),
    "operator": ("another operation", "two parts are joined by the wrong operation"),
    "reduction": (
        "sum instead of mean",
        "a sum is used instead of a mean, or a mean instead of a sum",
    ),
    "count": (
        "another count",
        "it divides by the wrong count: samples, outputs or elements",
    ),
    "results exchanged": ("results exchanged", "two results are swapped"),
    "arguments exchanged": ("arguments exchanged", "two arguments are swapped"),
    "comparison": ("comparison", "a comparison is reversed, or wrong at its boundary"),
    "transpose lost": ("transposed", "a transpose is missing{of}"),
    "name": ("another tensor", "one tensor is used where another belongs"),
    "applied twice": (
        "derivative taken at a instead of z",
        "the activation is applied to its own result{of}",
    ),
    "extra subscript": ("only part of the batch", "only one of the samples is used"),
    "overwritten": (
        "overwritten",
        "values that land in the same place overwrite each other: they should be added",
    ),
    "constant": ("another number", "a number is wrong"),
    "extra factor": ("extra factor", "there is an extra factor{of}"),
    "extra term": ("extra term", "there is an extra term{of}"),
    "call lost": ("missing step", "a step is missing{of}"),
    "function": ("another function", "a function is the wrong one"),
    "argument lost": (
        "another argument",
        "a function lacks an argument, such as the dimension to reduce",
    ),
    "subscript lost": ("missing index", "an index is missing{of}"),
    "None": ("missing result", "a result is missing"),
}
_LOST = ("factor lost", "term lost")
_OVER = {"scatter_add": "scatter", "index_add": "index_copy"}
_METHODS = ("forward", "setup_context", "backward")


class Variant(NamedTuple):
    """A wrong answer: the text of its file, and what was done to the right one."""

    kind: str
    text: str
    part: str  # of the right answer, as it is written there
    of: str  # the tensors in that part, for people


def variants(exercise: Exercise) -> list[Variant]:
    """Of the source's own answer and of the other right ones; the likeliest first."""
    piece = made(exercise)
    found = []
    for other, right in enumerate((piece.answer, *exercise.right)):
        text = piece.with_answer(right)
        made_wrong = [*_by_slips(exercise, text, piece.statement(right).splitlines())]
        for kind, wrong, part in _more(right):
            made_wrong.append(Variant(kind, piece.with_answer(wrong), part, _of(part, "")))
        found += [(_rank(v, other), v) for v in made_wrong]
    return [v for _, v in sorted(found, key=lambda pair: pair[0])]


def _rank(v: Variant, other: int) -> tuple[int, int, int]:
    """By kind, the source's own first; of what may be lost, the longest first."""
    lost = v.kind in _LOST
    return list(SAID).index(_LOST[0] if lost else v.kind), other, -len(v.part) if lost else 0


def _by_slips(exercise: Exercise, text: str, lines: list[str]) -> Iterator[Variant]:
    every = [line.strip() for line in text.splitlines()]
    first = every.index(lines[0].strip()) + 1
    functions = [exercise.function]
    if exercise.is_class:
        functions = [f"{exercise.function}.{name}" for name in _METHODS]
    inside = [s for s in slips(text, functions) if first <= s.line < first + len(lines)]
    if len(lines) > 1:  # of several statements one that is lost says little
        inside = [s for s in inside if s.kind != "statement lost"]
    source = text.encode()
    for slip in inside:
        part = source[slip.start : slip.end].decode()
        edited = source[: slip.start] + slip.text.encode() + source[slip.end :]
        yield Variant(slip.kind, edited.decode(), _lost(part, slip.text), _of(part, slip.text))


def _lost(part: str, kept: str) -> str:
    """What is gone from a part, where that can be cut out of it."""
    kept = kept.removeprefix("(").removesuffix(")")
    if kept and part.startswith(kept):
        return part.removeprefix(kept).lstrip(" +-*/@")
    return part.removesuffix(kept).rstrip(" +-*/@") if kept else part


def _more(right: str) -> Iterator[tuple[str, str, str]]:
    """A tensor left out of a product, a case that is lost, something too much, another count."""
    tree = ast.parse(right)
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id != "torch"]
    names = [n for n in names if id(n) not in called and isinstance(n.ctx, ast.Load)]
    known = sorted({n.id for n in names})
    for n in names:
        yield "factor lost", _replaced(tree, n, f"torch.ones_like({n.id})"), n.id
    for name in known:
        for some in ("[:1]", "[-1:]"):
            yield "extra subscript", _replaced(tree, name, f"{name}{some}"), name
        for activation in ("sigmoid", "tanh", "softmax"):
            call = f"torch.{activation}({name}{', 1' if activation == 'softmax' else ''})"
            yield "applied twice", _replaced(tree, name, call), name
    for node in ast.walk(tree):
        yield from _of_node(tree, node, known)
    whole = tree.body[0]
    if isinstance(whole, ast.Expr) and not isinstance(whole.value, ast.Tuple):
        yield from _too_much(tree, whole.value, known)


def _of_node(tree: ast.Module, node: ast.AST, names: list[str]) -> Iterator[tuple[str, str, str]]:
    if isinstance(node, ast.IfExp):
        yes, no, test = map(ast.unparse, (node.body, node.orelse, node.test))
        for other in (yes, no, f"{no} if {test} else {yes}"):
            yield "condition", _replaced(tree, node, other), ast.unparse(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        turned = f"({ast.unparse(node.right)}) / ({ast.unparse(node.left)})"
        yield "operator", _replaced(tree, node, turned), ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield "extra factor", _replaced(tree, node, f"({ast.unparse(node)}) ** 2"), ""
        for side in (node.left, node.right):
            yield from _too_much(tree, side, names)
        if isinstance(node.op, ast.Sub):
            lost = _replaced(tree, node, f"-({ast.unparse(node.right)})")
            yield "term lost", lost, ast.unparse(node.left)
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "len":
        of = ast.unparse(node.args[0])
        for count in (f"{of}.numel()", f"{of}.shape[-1]"):
            yield "count", _replaced(tree, node, count), ""
    if isinstance(node, ast.Attribute) and node.attr in _OVER:
        other = f"{ast.unparse(node.value)}.{_OVER[node.attr]}"
        yield "overwritten", _replaced(tree, node, other), ""


def _too_much(tree: ast.Module, node: ast.expr, names: list[str]) -> Iterator[tuple[str, str, str]]:
    text = ast.unparse(node)
    for name in names:
        for factor in (
            *(name, f"(1 - {name})", f"{name} * (1 - {name})", f"(1 - {name} * {name})"),
            *(f"(1 / {name})", f"(1 / ({name} * (1 - {name})))"),
            *(f"(1 / len({name}))", f"(1 / {name}.shape[-1])"),
        ):
            yield "extra factor", _replaced(tree, node, f"({text}) * {factor}"), name
        for sign in "+-":
            yield "extra term", _replaced(tree, node, f"({text}) {sign} {name}"), name


def _replaced(tree: ast.Module, node: ast.AST | str, text: str) -> str:
    """The source with other text for a node, or for a name wherever it is read."""
    other = ast.parse(text, mode="eval").body

    class Replaced(ast.NodeTransformer):
        def visit(self, n: ast.AST) -> ast.AST:
            is_name = isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and n.id == node
            return other if n is node or is_name else super().visit(n)

    memo = {id(node): node}  # the same object in the copy
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
