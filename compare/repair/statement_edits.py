"""Edits of whole statements: of what they assign, of what is unpacked, of what is returned."""

import ast
from collections.abc import Iterator, Sequence

from compare.repair.call_edits import CallEdits
from compare.repair.operators import OPERATORS, SIGNS
from compare.repair.program import Edit
from compare.repair.source import names_stored, statements


class StatementEdits(CallEdits):
    """Of one function, its calls included."""

    def of_statement(self, s: ast.stmt) -> Iterator[Edit]:
        """Of its own operator, or without it."""
        if isinstance(s, ast.AugAssign):
            target, value = self.t(s.target), self.t(s.value)
            was = SIGNS.get(type(s.op), "?")
            for other in OPERATORS.get(type(s.op), ()):
                sign = SIGNS[other]
                yield self.put(
                    s,
                    f"{target} {sign}= {value}",
                    1.0,
                    "operator",
                    f"`{was}=` instead of `{sign}=`",
                )
            yield self.put(s, f"{target} = {value}", 1.3, "operator", f"`{was}=` instead of `=`")
        if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Tuple):
            for a, b, text in self.exchanged(s.targets[0].elts):
                says = f"`{a}` and `{b}` are unpacked in the wrong order"
                yield self.put(s.targets[0], text, 1.4, "order", says)
        if isinstance(s, ast.Assign | ast.AugAssign | ast.Return) and s.value is not None:
            yield from self._everywhere(s.value)
        if isinstance(s, ast.Assign) and len(s.targets) == 1:
            target, value = self.t(s.targets[0]), self.t(s.value)
            yield self.put(s, f"{target} += {value}", 1.6, "operator", "`=` instead of `+=`")
        if isinstance(s, ast.Assign | ast.AugAssign | ast.Expr) and self._can_go(s):
            says = f"`{self.t(s)}` should not be there"
            yield self.put(s, "pass", 1.4, "extra statement", says)

    def _can_go(self, s: ast.stmt) -> bool:
        """Whether what it assigns had a value before."""
        if isinstance(s, ast.Expr):
            return not isinstance(s.value, ast.Constant)
        before = {
            n
            for o in statements(self.editable.tree)
            if o.lineno < s.lineno
            for n in names_stored(o)
        }
        return bool(names_stored(s) & (before | set(self.editable.arguments)))

    def of_returns(self) -> Iterator[Edit]:
        """Two of several results exchanged."""
        tree = self.editable.tree
        values = (
            [tree.body]
            if isinstance(tree, ast.Lambda)
            else [s.value for s in statements(tree) if isinstance(s, ast.Return)]
        )
        for value in values:
            if not isinstance(value, ast.Tuple):
                continue
            start, end = self.editable.span(value.elts[0])[0], self.editable.span(value.elts[-1])[1]
            for _, _, text in self.exchanged(value.elts):
                says = "two of the gradients are returned in the wrong order"
                yield Edit(self.editable, start, end, text, 1.6, "order", says)

    def _everywhere(self, value: ast.expr) -> Iterator[Edit]:
        """Another name at all places of a statement, or of one of its elements, at once."""
        for part in value.elts if isinstance(value, ast.Tuple) else [value]:
            found = [n for n in ast.walk(part) if isinstance(n, ast.Name) and n.id in self.names]
            for name in dict.fromkeys(n.id for n in found if not self._is_called(n, part)):
                places = [self.editable.span(n) for n in found if n.id == name]
                if len(places) < 2:
                    continue
                for other in self.names:
                    if other != name:
                        text = self._with(part, places, other)
                        says = f"`{name}` instead of `{other}`"
                        yield self.put(part, text, 1.7, "name", says)

    def _with(self, part: ast.expr, places: Sequence[tuple[int, int]], other: str) -> str:
        begin, finish = self.editable.span(part)
        text = self.editable.source[begin:finish]
        for start, end in sorted(places, reverse=True):
            text = text[: start - begin] + other.encode() + text[end - begin :]
        return text.decode()

    def _is_called(self, name: ast.Name, inside: ast.AST) -> bool:
        return any(isinstance(n, ast.Call) and n.func is name for n in ast.walk(inside))
