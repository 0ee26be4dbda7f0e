"""Edits of calls: another function, other arguments, other dims to reduce over, or no call."""

import ast
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, permutations

from compare.repair.program import Edit, Editable
from compare.repair.source import Tree

_REDUCTIONS = ("sum", "mean")
_OVER_DIMS = (*_REDUCTIONS, "amax", "cumsum", "softmax", "log_softmax", "var", "std")
_MOST_DIMS = 5  # whose orders are tried all, 120 of them
_MOST_ARGUMENTS = 4  # of a call that one may have been left out of
_FAMILIES = (
    ("sum", "mean", "amax", "prod", "std", "var"),
    ("exp", "log", "sqrt", "rsqrt", "square", "reciprocal", "abs", "sign", "tanh", "sigmoid"),
    ("sin", "cos"),
    ("sinh", "cosh"),
    ("argmax", "argmin"),
    ("amax", "amin"),
    ("log", "log1p"),
    ("exp", "expm1"),
    ("erf", "erfc"),
)
_ATOMS = (ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.List)


def enclosed(text: str, node: ast.AST) -> str:
    """In brackets, unless it binds tighter than anything around it."""
    return text if isinstance(node, _ATOMS) else f"({text})"


def unused(tree: Tree) -> set[str]:
    """Arguments that nothing reads: what has been forgotten is likely one of them."""
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    a = tree.args
    named = {x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)} - {"ctx", "self"}
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    return (named | stored) - read


def _listed(dims: Sequence[int]) -> str:
    return f"({', '.join(map(str, dims))})"


def is_dim(parent: ast.AST | None) -> bool:
    """Whether a constant under it says over which dim to reduce."""
    if isinstance(parent, ast.keyword):
        return parent.arg in ("dim", "keepdim")
    function = parent.func if isinstance(parent, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr in _OVER_DIMS


class CallEdits:
    """Of one function."""

    def __init__(self, editable: Editable, names: Sequence[str], constants: Sequence[str]) -> None:
        self.editable, self.names, self.constants = editable, names, constants
        self.unused = unused(editable.tree)

    def put(self, node: ast.AST, text: str, cost: float, kind: str, says: str) -> Edit:
        start, end = self.editable.span(node)
        return Edit(self.editable, start, end, text, cost, kind, says)

    def t(self, node: ast.AST) -> str:
        return self.editable.text(node)

    def e(self, node: ast.AST) -> str:
        return enclosed(self.t(node), node)

    def exchanged(self, parts: Sequence[ast.expr]) -> Iterator[tuple[str, str, str]]:
        """For any two of them their texts, and the text of all with these two exchanged."""
        texts = [self.t(part) for part in parts]
        for i, j in combinations(range(len(texts)), 2):
            if texts[i] != texts[j]:
                made = list(texts)
                made[i], made[j] = made[j], made[i]
                yield texts[i], texts[j], ", ".join(made)

    def of_call(self, node: ast.Call) -> Iterator[Edit]:
        function, args = node.func, node.args
        method = isinstance(function, ast.Attribute)
        name = function.attr if isinstance(function, ast.Attribute) else ""
        if isinstance(function, ast.Attribute) and not self._is_module(function.value):
            says = f"`.{name}()` should not be there"
            yield self.put(node, self.e(function.value), 1.3, "extra call", says)
        in_place = method and name.endswith("_") and not name.endswith("__")
        for argument in args:
            if not isinstance(argument, ast.Starred | ast.Constant) and (
                not method or in_place or self._is_module(function)
            ):
                says = f"`{self.t(function)}` should not be there"
                yield self.put(node, self.e(argument), 1.5, "extra call", says)
        if in_place:
            _, end = self.editable.span(function)
            says = f"`{name}` overwrites a value that is still needed"
            yield Edit(self.editable, end - 1, end, "", 1.4, "function", says)
        for family in (f for f in _FAMILIES if name in f):
            for other in (o for o in family if o != name):
                _, end = self.editable.span(function)
                end_of_name = end - len(name.encode())
                says = f"`{name}` instead of `{other}`"
                cost = 1.2 if name in _REDUCTIONS and other in _REDUCTIONS else 1.7
                yield Edit(self.editable, end_of_name, end, other, cost, "function", says)
        yield from self._arguments(node)
        yield from self._argument_left_out(node)
        if name in _OVER_DIMS:
            yield from self._reduced_over(node, name)
        if name in ("permute", "transpose", "movedim"):
            yield from self._other_order(node)

    def _is_module(self, node: ast.AST) -> bool:
        """``torch`` or ``F``, as far as a name tells: no tensor."""
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id not in self.names

    def _arguments(self, node: ast.Call) -> Iterator[Edit]:
        args = node.args
        for i, (a, b) in enumerate(pairwise(args)):
            if not isinstance(a, ast.Starred) and not isinstance(b, ast.Starred):
                (start, _), (_, end) = self.editable.span(a), self.editable.span(b)
                text = f"{self.t(b)}, {self.t(a)}"
                says = f"the arguments `{self.t(a)}` and `{self.t(b)}` are exchanged"
                yield Edit(self.editable, start, end, text, 1.6, "arguments", says)
                if i == 0 and len(args) == 3:
                    c = args[2]
                    if not isinstance(c, ast.Starred):
                        text = f"{self.t(a)}, {self.t(c)}, {self.t(b)}"
                        yield Edit(
                            self.editable,
                            start,
                            self.editable.span(c)[1],
                            text,
                            1.4,
                            "arguments",
                            "two arguments are exchanged",
                        )
        parts: list[ast.AST] = [*args, *node.keywords]
        for i, part in enumerate(parts):
            kept = ", ".join(self.t(p) for p in parts if p is not part)
            start, end = self.editable.span(parts[0])[0], self.editable.span(parts[-1])[1]
            says = f"the argument `{self.t(part)}` should not be there"
            yield Edit(self.editable, start, end, kept, 1.5 + 0.01 * i, "arguments", says)

    def _argument_left_out(self, node: ast.Call) -> Iterator[Edit]:
        """A name of the scope put in at each place."""
        start, end = self.editable.span(node)
        inside = self.editable.text(node)[len(self.t(node.func)) :].lstrip()
        parts = [self.t(a) for a in node.args]
        others = [self.t(k) for k in node.keywords]
        if not inside.startswith("(") or len(parts) > _MOST_ARGUMENTS:
            return
        for i in range(len(parts) + 1):
            for name in self.names:
                given = ", ".join([*parts[:i], name, *parts[i:], *others])
                says = f"the argument `{name}` is missing"
                cost = 1.7 if name in self.unused else 1.9
                yield Edit(
                    self.editable,
                    start,
                    end,
                    f"{self.t(node.func)}({given})",
                    cost,
                    "arguments",
                    says,
                )

    def _other_order(self, node: ast.Call) -> Iterator[Edit]:
        """The dims of ``permute`` the other way round, two of them exchanged, or any others."""
        given = [n for a in node.args for n in (a.elts if isinstance(a, ast.Tuple) else [a])]
        dims = [n for n in given if isinstance(n, ast.Constant) and type(n.value) is int]
        was = [n.value for n in dims if type(n.value) is int]
        if len(dims) < 2 or sorted(was) != list(range(len(was))):
            return
        back = [was.index(i) for i in range(len(was))]
        made = [back]
        for i, j in combinations(range(len(was)), 2):
            for order in (list(was), list(back)):
                order[i], order[j] = order[j], order[i]
                made.append(order)
        if len(was) <= _MOST_DIMS:
            made += map(list, permutations(range(len(was))))
        start, end = self.editable.span(dims[0])[0], self.editable.span(dims[-1])[1]
        for order in made:
            if order != was:
                text = ", ".join(map(str, order))
                says = "the dims are permuted in the same order, not back"
                if order != back:
                    says = f"the dims are in the order {_listed(was)} instead of {_listed(order)}"
                cost = 1.2 if order == back else 1.5
                yield Edit(self.editable, start, end, text, cost, "permutation", says)

    def _reduced_over(self, node: ast.Call, name: str) -> Iterator[Edit]:
        function = node.func
        assert isinstance(function, ast.Attribute)
        method = not self._is_module(function.value)
        first = "" if method else f"{self.t(node.args[0])}, " if node.args else ""
        given = node.args if method else node.args[1:]
        was = (
            self.t(given[0])
            if given
            else next((self.t(k.value) for k in node.keywords if k.arg == "dim"), "")
        )
        keep = any(k.arg == "keepdim" for k in node.keywords) or len(given) > 1
        dims = [
            "0",
            "1",
            "2",
            "-1",
            "-2",
            "(0, 1)",
            "(0, 2)",
            "(1, 2)",
            "(0, 2, 3)",
            "(0, 1, 2)",
            "(-2, -1)",
        ]
        for dim in dict.fromkeys([was, *dims] if was else dims):
            for keepdim in (keep, not keep):
                if dim == was and keepdim == keep:
                    continue
                rest = f"{dim}, keepdim=True" if keepdim else dim
                over = f"over dim {was}" if was else "over all"
                says = f"summed {over} instead of dim {dim}" if dim != was else "`keepdim` is wrong"
                if name == "mean":
                    says = says.replace("summed", "averaged")
                cost = 1.2 + 0.02 * len(dim) + (0.2 if keepdim != keep else 0)
                yield self.put(node, f"{self.t(function)}({first}{rest})", cost, "dims", says)
        if was:
            says = f"over dim {was} instead of all"
            yield self.put(node, f"{self.t(function)}({first.rstrip(', ')})", 1.4, "dims", says)
