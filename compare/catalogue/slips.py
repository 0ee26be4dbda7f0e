"""Slips of the pen in a backward: what is drawn from to plant bugs that nobody thought of.

An operator, a sign or a comparison is another one; a factor, a term, a call, an argument, a
subscript or a whole statement is lost; a name, a constant or a reduction is another one; two
results change places, or one is None.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@"}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
}
_ANOTHER = {"sum": "mean", "mean": "sum", "exp": "expm1", "log": "log1p", "sigmoid": "tanh"}
_ANOTHER |= {"erfc": "erf", "expm1": "exp", "log1p": "log", "tanh": "sigmoid"}


@dataclass(frozen=True)
class Slip:
    """New text for some bytes of a file."""

    kind: str
    start: int
    end: int
    text: str
    line: int  # of the statement, from 1
    last_line: int


def slips(source: str, functions: Sequence[str]) -> list[Slip]:
    """Every slip in these functions of a file, by their qualified names."""
    tree = ast.parse(source)
    found = []
    for name, function in _functions(tree):
        if name in functions:
            found += list(_Slips(source, function).every())
    return list(dict.fromkeys(found))


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    yield f"{node.name}.{inner.name}", inner


class _Slips:
    def __init__(self, source: str, function: ast.FunctionDef) -> None:
        self.source, self.function = source.encode(), function
        lines = source.splitlines(keepends=True)
        lengths = [len(line.encode()) for line in lines]
        self.starts = [sum(lengths[:i]) for i in range(len(lengths))]
        self.names = [a.arg for a in function.args.args if a.arg != "ctx"]
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.names.append(node.id)
        self.names = list(dict.fromkeys(self.names))

    def span(self, node: ast.AST) -> tuple[int, int]:
        n: ast.expr = node  # type: ignore[assignment]
        assert n.end_lineno is not None
        assert n.end_col_offset is not None
        return self.starts[n.lineno - 1] + n.col_offset, self.starts[
            n.end_lineno - 1
        ] + n.end_col_offset

    def t(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.source[start:end].decode()

    def every(self) -> Iterator[Slip]:
        body = self.function.body
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        for top in body:
            for statement in (s for s in ast.walk(top) if isinstance(s, ast.stmt)):
                yield from self._of_statement(statement)
                for node in self._own(statement):
                    for kind, text in self._of(node):
                        yield self._slip(kind, node, f"({text})", statement)

    def _own(self, statement: ast.stmt) -> Iterator[ast.expr]:
        """The expressions that it evaluates itself."""
        todo: list[ast.AST] = [
            n for n in ast.iter_child_nodes(statement) if not isinstance(n, ast.stmt)
        ]
        while todo:
            node = todo.pop()
            if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store):
                yield node
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                todo += list(ast.iter_child_nodes(node))
            else:
                todo += [*node.args, *node.keywords]

    def _slip(self, kind: str, node: ast.AST, text: str, statement: ast.stmt) -> Slip:
        start, end = self.span(node)
        last = statement.end_lineno or statement.lineno
        if isinstance(statement, ast.If):
            last = statement.test.end_lineno or statement.lineno
        return Slip(kind, start, end, text, statement.lineno, last)

    def _of_statement(self, s: ast.stmt) -> Iterator[Slip]:
        if isinstance(s, ast.Assign | ast.AugAssign | ast.Expr):
            yield self._slip("statement lost", s, "pass", s)
        if isinstance(s, ast.Return) and isinstance(s.value, ast.Tuple):
            parts = s.value.elts
            for i, part in enumerate(parts):
                if self.t(part) != "None":
                    yield self._slip("None", part, "None", s)
                if i and self.t(part) != self.t(parts[i - 1]):
                    start, end = self.span(parts[i - 1])[0], self.span(part)[1]
                    text = f"{self.t(part)}, {self.t(parts[i - 1])}"
                    yield Slip(
                        "results exchanged", start, end, text, s.lineno, s.end_lineno or s.lineno
                    )

    def _of(self, node: ast.expr) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.BinOp):
            left, right = self.t(node.left), self.t(node.right)
            for op, sign in _SIGNS.items():
                if type(node.op) in _SIGNS and op is not type(node.op) and op is not ast.MatMult:
                    yield "operator", f"({left}) {sign} ({right})"
            product = isinstance(node.op, ast.Mult | ast.Div | ast.MatMult)
            yield "factor lost" if product else "term lost", left
            if not isinstance(node.op, ast.Div):
                yield "factor lost" if product else "term lost", right
        elif isinstance(node, ast.UnaryOp):
            yield "sign", self.t(node.operand)
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = self.t(node.left), self.t(node.comparators[0])
            was = _COMPARISONS.get(type(node.ops[0]))
            for sign in _COMPARISONS.values() if was else ():
                if sign != was:
                    yield "comparison", f"{left} {sign} {right}"
        elif isinstance(node, ast.Constant):
            yield from _of_constant(node.value)
        elif isinstance(node, ast.Name) and node.id in self.names:
            yield from (("name", name) for name in self.names if name != node.id)
            yield "sign", f"-{node.id}"
        elif isinstance(node, ast.Subscript):
            yield "subscript lost", self.t(node.value)
        elif isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
            yield "transpose lost", self.t(node.value)
        elif isinstance(node, ast.Call):
            yield from self._of_call(node)

    def _of_call(self, node: ast.Call) -> Iterator[tuple[str, str]]:
        function, parts = self.t(node.func), [*node.args, *node.keywords]
        is_method = isinstance(node.func, ast.Attribute) and self.t(node.func.value) != "torch"
        if is_method and isinstance(node.func, ast.Attribute):
            yield "call lost", self.t(node.func.value)
        elif len(node.args) == 1:
            yield "call lost", self.t(node.args[0])
        for part in parts:
            kept = [self.t(p) for p in parts if p is not part]
            yield "argument lost", f"{function}({', '.join(kept)})"
        for a, b in pairwise(node.args):
            texts = [self.t(p) for p in parts]
            i, j = parts.index(a), parts.index(b)
            texts[i], texts[j] = texts[j], texts[i]
            yield "arguments exchanged", f"{function}({', '.join(texts)})"
        name = function.rpartition(".")[2]
        if name in _ANOTHER:
            other = function.removesuffix(name) + _ANOTHER[name]
            yield (
                "reduction" if name in ("sum", "mean") else "function",
                f"{other}({', '.join(map(self.t, parts))})",
            )


def _of_constant(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool):
        yield "constant", repr(not value)
    elif isinstance(value, int | float):
        yield from (("constant", repr(v)) for v in (value + 1, -value, value * 2, 0) if v != value)
