"""One edit at a time: everything that one slip of the pen can have been.

An operator, a sign, a comparison; a factor, a divisor or a term too many; a name, a constant, a
transpose, a reduction or its dims; what a call is given and in which order; a statement too many.
What is missing is put in by ``ingredients``.
"""

import ast
from collections.abc import Iterator, Sequence

from compare.repair.call_edits import is_dim
from compare.repair.operators import OPERATORS, SIGNS
from compare.repair.program import Edit, Editable
from compare.repair.statement_edits import StatementEdits

_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


def single_edits(
    editable: Editable, roots: Sequence[ast.AST], names: Sequence[str], constants: Sequence[str]
) -> Iterator[Edit]:
    """Of everything under the roots.

    Args:
        editable: The function.
        roots: Statements and expressions of it.
        names: That have a value in it.
        constants: Numbers that occur in the forward, as they are written there.
    """
    maker = _Edits(editable, names, constants)
    for root in roots:
        if isinstance(root, ast.stmt):
            yield from maker.of_statement(root)
        for node, parent in _expressions(root):
            yield from maker.of_expression(node, parent)
    yield from maker.of_returns()


def _expressions(root: ast.AST) -> Iterator[tuple[ast.expr, ast.AST | None]]:
    todo: list[tuple[ast.AST, ast.AST | None]] = [(root, None)]
    while todo:
        node, parent = todo.pop()
        if isinstance(node, ast.expr):
            yield node, parent
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.stmt | ast.expr_context | ast.operator):
                todo.append((child, node))


class _Edits(StatementEdits):
    def of_expression(self, node: ast.expr, parent: ast.AST | None) -> Iterator[Edit]:
        if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            return
        if isinstance(node, ast.BinOp):
            yield from self._operator(node)
        elif isinstance(node, ast.UnaryOp) and not is_dim(parent):
            sign = {ast.USub: "the sign is wrong", ast.Not: "`not` should not be there"}
            says = sign.get(type(node.op), "negated")
            yield self.put(node, self.e(node.operand), 1.0, "sign", says)
        elif isinstance(node, ast.Compare):
            yield from self._comparison(node)
        elif isinstance(node, ast.Constant):
            yield from self._constant(node, parent)
        elif isinstance(node, ast.Name):
            yield from self._name(node, parent)
        elif isinstance(node, ast.Call):
            yield from self.of_call(node)
        elif isinstance(node, ast.Attribute):
            yield from self._attribute(node)
        elif isinstance(node, ast.Subscript):
            cut = f"`[{self.t(node.slice)}]` should not be there"
            yield self.put(node, self.e(node.value), 1.4, "subscript", cut)
        elif isinstance(node, ast.IfExp):
            for kept in (node.body, node.orelse):
                yield self.put(
                    node, self.e(kept), 1.4, "condition", "it should not depend on the condition"
                )
            turned = f"{self.t(node.orelse)} if {self.t(node.test)} else {self.t(node.body)}"
            yield self.put(node, f"({turned})", 1.2, "condition", "the condition is inverted")
        if self._is_value(node, parent):
            yield from self._negated(node)

    def _is_value(self, node: ast.expr, parent: ast.AST | None) -> bool:
        """Whether it stands for a number or tensor of its own."""
        if isinstance(node, ast.Constant | ast.Tuple | ast.Starred | ast.Slice | ast.Compare):
            return False
        inner = isinstance(parent, ast.Attribute | ast.keyword | ast.Subscript | ast.Starred)
        return not inner and not (isinstance(parent, ast.Call) and node is parent.func)

    def _negated(self, node: ast.expr) -> Iterator[Edit]:
        if not isinstance(node, ast.UnaryOp):
            yield self.put(node, f"(-{self.e(node)})", 1.2, "sign", "the sign is wrong")

    def _operator(self, node: ast.BinOp) -> Iterator[Edit]:
        left, right = self.e(node.left), self.e(node.right)
        was = SIGNS.get(type(node.op), "?")
        for other in OPERATORS.get(type(node.op), ()):
            sign = SIGNS[other]
            says = f"`{was}` instead of `{sign}`"
            yield self.put(node, f"({left} {sign} {right})", 1.0, "operator", says)
        if not isinstance(node.op, ast.Add | ast.Mult):
            says = f"the operands of `{was}` are swapped"
            yield self.put(node, f"({right} {was} {left})", 1.2, "operator", says)
        what = {ast.Mult: "factor", ast.Div: "divisor", ast.Add: "term", ast.Sub: "term"}
        what[ast.Pow] = "exponent"
        word = what.get(type(node.op), "operand")
        yield self.put(
            node,
            left,
            1.1,
            f"extra {word}",
            f"the {word} `{self.t(node.right)}` should not be there",
        )
        word = "factor" if word == "divisor" else word
        yield self.put(
            node,
            right,
            1.3,
            f"extra {word}",
            f"the {word} `{self.t(node.left)}` should not be there",
        )
        if isinstance(node.op, ast.Sub):
            yield self.put(
                node,
                f"(-{right})",
                1.4,
                "extra term",
                f"the term `{self.t(node.left)}` should not be there",
            )
        if isinstance(node.op, ast.Mult | ast.Div):
            yield from self._into_the_call(node, was)
        if isinstance(node.op, ast.MatMult):
            for a, b in (
                (f"{left}.mT", right),
                (left, f"{right}.mT"),
                (f"{right}.mT", left),
                (right, f"{left}.mT"),
            ):
                yield self.put(
                    node, f"({a} @ {b})", 1.5, "transpose", "an operand of `@` should be transposed"
                )

    def _into_the_call(self, node: ast.BinOp, sign: str) -> Iterator[Edit]:
        """f(a) b as f(a b), whichever side the call is on."""
        sides = [(node.left, node.right)]
        sides += [(node.right, node.left)] if isinstance(node.op, ast.Mult) else []
        for call, factor in sides:
            if not isinstance(call, ast.Call):
                continue
            function = call.func
            if isinstance(function, ast.Attribute) and not self._is_module(function.value):
                inner = function.value
            elif call.args:
                inner = call.args[0]
            else:
                continue
            (start, _), (first, last) = self.editable.span(call), self.editable.span(inner)
            text = self.editable.text(call).encode()
            product = f"({self.e(inner)} {sign} {self.e(factor)})".encode()
            moved = text[: first - start] + product + text[last - start :]
            says = f"`{self.t(factor)}` belongs inside `{self.t(function).split('.')[-1]}`"
            yield self.put(node, moved.decode(), 1.6, "factor moved", says)

    def _comparison(self, node: ast.Compare) -> Iterator[Edit]:
        if len(node.ops) != 1:
            return
        left, right = self.e(node.left), self.e(node.comparators[0])
        was = SIGNS.get(type(node.ops[0]))
        for other in _COMPARISONS if was else ():
            if (sign := SIGNS[other]) != was:
                says = f"`{was}` instead of `{sign}`"
                yield self.put(node, f"({left} {sign} {right})", 1.0, "comparison", says)
        turn = {ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in"}
        if sign := turn.get(type(node.ops[0]), ""):
            says = "the condition is inverted"
            yield self.put(node, f"({left} {sign} {right})", 1.1, "condition", says)

    def _constant(self, node: ast.Constant, parent: ast.AST | None) -> Iterator[Edit]:
        value = node.value
        if is_dim(parent):
            return  # see ``_reduced_over``
        product = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult | ast.Div)
        if isinstance(value, bool):
            yield self.put(node, str(not value), 1.0, "constant", f"{value} instead of {not value}")
        elif isinstance(value, int | float):
            other = ["0", "1", "2", "-1", "0.5", "3", "4", "0.25"]
            if isinstance(value, int):
                other += [str(value + 1), str(value - 1), str(-value), "-2", f"{value}.0"]
                other += [str(value // 2), str(2 * value)]
            else:
                other += [repr(-value), repr(1 - value), repr(value / 2), repr(value * 2)]
            for text in dict.fromkeys([*other, *self.constants]):
                if text != self.t(node):
                    says = f"{self.t(node)} instead of {text}"
                    cost = 1.45 if product and text in ("0", "1", "-1") else 1.2
                    text = f"({text})" if text.startswith("-") else text
                    yield self.put(node, text, cost, "constant", says)
            for name in self.names:
                says = f"{self.t(node)} instead of `{name}`"
                yield self.put(node, name, 1.9, "name", says)
        elif isinstance(value, str) and not isinstance(parent, ast.Expr | None):
            for text in _other_subscripts(value):
                says = f"{value!r} instead of {text!r}"
                yield self.put(node, repr(text), 1.4, "subscripts", says)

    def _name(self, node: ast.Name, parent: ast.AST | None) -> Iterator[Edit]:
        if isinstance(parent, ast.Call) and node is parent.func:
            return
        if node.id not in self.names:
            return
        for name in self.names:
            if name != node.id:
                says = f"`{node.id}` instead of `{name}`"
                cost = 1.3 if name in self.unused else 1.5
                yield self.put(node, name, cost, "name", says)

    def _attribute(self, node: ast.Attribute) -> Iterator[Edit]:
        if node.attr in ("T", "mT", "H"):
            says = f"`.{node.attr}` should not be there"
            yield self.put(node, self.e(node.value), 1.2, "transpose", says)
            other = "mT" if node.attr == "T" else "T"
            yield self.put(
                node,
                f"{self.e(node.value)}.{other}",
                1.4,
                "transpose",
                f"`.{node.attr}` instead of `.{other}`",
            )


def _other_subscripts(text: str) -> Iterator[str]:
    """Of ``einsum``: two letters of one operand exchanged, or one letter for another."""
    if "->" not in text or not text.replace("->", "").replace(",", "").replace(" ", "").isalpha():
        return
    letters = sorted({c for c in text if c.isalpha()})
    for i, c in enumerate(text):
        if not c.isalpha():
            continue
        for other in letters:
            if other != c:
                yield text[:i] + other + text[i + 1 :]
        for j in range(i + 1, len(text)):
            if text[j].isalpha() and text[j] != c:
                swapped = list(text)
                swapped[i], swapped[j] = swapped[j], swapped[i]
                yield "".join(swapped)
