"""Functions whose text is edited: an edit is text put in place of a range of bytes of a file.

An edited function is compiled as it would be where it stands, and its code is put into the function
object itself, so that whoever calls it runs the edit. That is done in a process of its own; see
``sandbox``.
"""

import ast
import types
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from compare.repair.source import Tree, Written


@dataclass(frozen=True)
class Edit:
    """New text for the bytes from ``start`` to ``end`` of the file that ``owner`` is in."""

    owner: "Editable" = field(repr=False)
    start: int
    end: int
    text: str
    cost: float  # how far-fetched it is
    kind: str
    says: str  # what it says of the mistake
    hole: bool = False  # whether an ingredient is put in while it runs
    forward: bool = False  # whether the forward has to run again

    def overlaps(self, other: "Edit") -> bool:
        """Whether both touch one byte."""
        return self.start < other.end and other.start < self.end


class Editable:
    """A function, its text, and the code that it had."""

    def __init__(self, place: Written) -> None:
        self.place = place
        self.function: types.FunctionType = place.function
        self.tree: Tree = place.tree
        self.source = "".join(place.lines).encode()
        self.original = place.function.__code__
        lengths = [len(line.encode()) for line in place.lines]
        self._starts = [0, *accumulate(lengths)]
        is_def = isinstance(self.tree, ast.FunctionDef)
        self.start = self._starts[self.tree.lineno - 1] + (0 if is_def else self.tree.col_offset)
        self.end = self.span(self.tree)[1]

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Of a node, in bytes of the file."""
        first, last = node.lineno, node.end_lineno  # type: ignore[attr-defined]
        start = self._starts[first - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self._starts[last - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def text(self, node: ast.AST) -> str:
        """Of a node, as it stands in the file."""
        start, end = self.span(node)
        return self.source[start:end].decode()

    def line(self, byte: int) -> int:
        """The line that it is on, from 1."""
        return self.source[:byte].count(b"\n") + 1

    @cached_property
    def arguments(self) -> list[str]:
        """Their names."""
        a = self.tree.args
        return [x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)]

    def parsed(self, edits: Sequence[Edit]) -> Tree:
        """The function with the edits in it.

        Raises:
            SyntaxError: They make no sense.
        """
        text = edited(self.source[self.start : self.end], edits, self.start).decode()
        if isinstance(self.tree, ast.Lambda):
            found: ast.AST = ast.parse(f"(\n{text}\n)", mode="eval").body
        elif text[:1].isspace():
            found = ast.parse(f"if 1:\n{text}").body[0].body[0]  # type: ignore[attr-defined]
        else:
            found = ast.parse(text).body[0]
        assert isinstance(found, Tree)
        return found

    def compiled(self, tree: Tree) -> types.CodeType:
        """Code that fits the function object: with the same free variables."""
        free = self.original.co_freevars
        if isinstance(tree, ast.FunctionDef):
            tree.decorator_list = []
            body: ast.stmt = tree
            if free:
                tree.body.insert(0, ast.Expr(_tuple(free)))
        else:
            if free:
                both = ast.Tuple([_tuple(free), tree.body], ast.Load())
                tree.body = ast.Subscript(both, ast.Constant(1), ast.Load())
            body = ast.Expr(tree)
        factory = ast.parse(f"def factory({', '.join(free)}):\n pass")
        factory.body[0].body = [body]  # type: ignore[attr-defined]
        outer = compile(ast.fix_missing_locations(factory), self.place.file, "exec")
        [factory_code] = _codes(outer, "factory")
        return _codes(factory_code, self.original.co_name)[0]

    def install(self, edits: Sequence[Edit]) -> None:
        """Let the function be the edited one; without edits the original.

        Raises:
            SyntaxError, ValueError: They make no sense.
        """
        code = self.compiled(self.parsed(edits)) if edits else self.original
        self.function.__code__ = code


def install(editables: Sequence[Editable], edits: Sequence[Edit]) -> None:
    """All functions with the edits that are theirs; the others as they were."""
    for editable in editables:
        own = [e for e in edits if e.owner is editable]
        if own or editable.function.__code__ is not editable.original:
            editable.install(own)


def edited(source: bytes, edits: Sequence[Edit], offset: int = 0) -> bytes:
    """The text with the edits in it, the last one first."""
    for e in sorted(edits, key=lambda e: -e.start):
        source = source[: e.start - offset] + e.text.encode() + source[e.end - offset :]
    return source


def _tuple(names: Sequence[str]) -> ast.expr:
    return ast.Tuple([ast.Name(name, ast.Load()) for name in names], ast.Load())


def _codes(code: types.CodeType, name: str) -> list[types.CodeType]:
    return [c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name]
