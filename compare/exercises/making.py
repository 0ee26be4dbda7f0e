"""The learner's file, made from the file of the layer: the source without one of its statements.

Nothing is copied by hand. The statement is found in the source of the function as it is installed;
comments and docstrings, which say the answer, are left out, and so are type hints and what is
there for half precision alone.
"""

import ast
import copy
import inspect
import textwrap
import types
from typing import Any, NamedTuple

from compare.exercises.exercise import Exercise, Source
from compare.repair.source import written

#: What is written where the answer belongs.
BLANK = "..."
_MARK = "_here_"


class Made(NamedTuple):
    """The code of an exercise, in pieces."""

    imports: tuple[str, ...]
    forward: str  # shown above; empty where the class has it
    own: str  # what comes from other files of the learner's
    code: str  # of the answer, with a mark in place of the statement
    start: str  # how the statement begins, such as ``grad_weight = ``
    answer: str  # the expression, or all of the statement where it is none

    def with_answer(self, answer: str) -> str:
        """The code with this expression, or these statements, in the blank."""
        lines = []
        for line in self.code.splitlines():
            if line.strip() == _MARK:
                indent = line[: len(line) - len(line.lstrip())]
                lines += textwrap.indent(self.statement(answer), indent).splitlines()
            else:
                lines.append(line)
        above = [part for part in (self.forward, self.own) if part]
        code = "\n".join(lines)
        return "\n\n\n".join(["\n".join(self.imports), *above, code]) + "\n"

    def statement(self, answer: str) -> str:
        """What stands in the blank."""
        answer = textwrap.dedent(answer).strip("\n")
        return f"{self.start}{answer}" if self.is_expression(answer) else answer

    def is_expression(self, answer: str) -> bool:
        """Whether this is what the statement computes, and not all of it."""
        if answer == BLANK:
            return True
        try:
            ast.parse(answer, mode="eval")
        except SyntaxError:
            return False
        return bool(self.start)


def made(exercise: Exercise) -> Made:
    """The pieces of its file.

    Raises:
        LookupError: The source has no such statement, or several.
    """
    if exercise.name not in _MADE:
        _MADE[exercise.name] = _make(exercise)
    return _MADE[exercise.name]


_MADE: dict[str, Made] = {}


def _make(exercise: Exercise) -> Made:
    source = exercise.source
    tree = _Plain(source).visit(_tree(source.of))
    statement, holder, field, place = _found(tree, source, exercise.name)
    start, answer = _halves(statement, source.part)
    used: ast.AST
    if source.alone:
        start = "return "
        code = f"def {exercise.function}({', '.join(source.alone)}):\n    {_MARK}"
        used = ast.parse(answer)
    else:
        used = copy.deepcopy(tree)
        getattr(holder, field)[place] = ast.Expr(ast.Name(_MARK, ast.Load()))
        tree.name = exercise.function
        if source.arguments:
            given = [ast.arg(name) for name in source.arguments]
            tree.args = ast.arguments([], given, None, [], [], None, [])
        if source.returns:
            tree.body.append(ast.parse(f"return {source.returns}").body[0])
        code = ast.unparse(ast.fix_missing_locations(tree))
    imports = ["import torch", *_imports(used, _global_names(source.of))]
    shown = source.given or exercise.forward
    forward = "" if exercise.is_class or shown is None else _shown(shown, source)
    if forward:
        imports += _imports(ast.parse(forward), _global_names(shown))
    if source.own:
        imports.append("from compare.exercises import own")
    own = "\n".join(f"{name} = own({of!r})" for name, of in source.own.items())
    return Made(tuple(dict.fromkeys(imports)), forward, own, code, start, answer)


def _tree(of: Any) -> Any:
    if isinstance(of, type):
        return ast.parse(textwrap.dedent(inspect.getsource(of))).body[0]
    place = written(of)
    if place is None:
        raise LookupError(f"{of!r} has no source to make an exercise from")
    tree = copy.deepcopy(place.tree)
    if isinstance(tree, ast.Lambda):
        function = ast.FunctionDef("function", tree.args, [ast.Return(tree.body)], [])
        return ast.fix_missing_locations(ast.copy_location(function, tree))
    return tree


def _found(tree: Any, source: Source, name: str) -> tuple[ast.stmt, Any, str, int]:
    """The statement, and where it stands."""
    found = []
    for node in ast.walk(tree):
        for field in ("body", "orelse"):
            statements = getattr(node, field, None)
            for place, s in enumerate(statements if isinstance(statements, list) else []):
                if isinstance(s, ast.stmt) and ast.unparse(s).startswith(source.blank):
                    found.append((s, node, field, place))
    if len(found) != 1:
        raise LookupError(
            f"{name}: {len(found)} statements of {source.of.__qualname__} begin with "
            f"{source.blank!r}, where one should"
        )
    return found[0]


def _halves(s: ast.stmt, part: int | slice | None) -> tuple[str, str]:
    if part is not None and isinstance(value := getattr(s, "value", None), ast.Tuple):
        some = value.elts[part]
        return "return ", ast.unparse(
            ast.Tuple(some, ast.Load()) if isinstance(some, list) else some
        )
    if isinstance(s, ast.Return) and s.value is not None:
        return "return ", ast.unparse(s.value)
    if isinstance(s, ast.Assign):
        return f"{ast.unparse(s.targets[0])} = ", ast.unparse(s.value)
    return "", ast.unparse(s)


class _Plain(ast.NodeTransformer):
    """Without docstrings and type hints, with the names of the exercise."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr):
            text = ast.unparse(node)
            if text in self.source.names:
                return ast.parse(self.source.names[text], mode="eval").body
        if isinstance(node, ast.stmt) and (text := ast.unparse(node)) in self.source.names:
            return ast.parse(self.source.names[text]).body or None
        return super().visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        node.bases = [ast.parse("torch.autograd.Function", mode="eval").body]
        node.body = [s for s in node.body if not _is_text(s)]
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.body = [s for s in node.body if not _is_text(s)]
        node.returns = None
        node.decorator_list = [d for d in node.decorator_list if ast.unparse(d) == "staticmethod"]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> Any:
        return ast.arg(self.source.renamed.get(node.arg, node.arg))

    def visit_Call(self, node: ast.Call) -> Any:
        node = self.generic_visit(node)  # type: ignore[assignment]
        name = ast.unparse(node.func)
        if name == "in_opmath":  # float64 stays as it is
            return node.args[0] if _is_one(node.args) else ast.Tuple(node.args, ast.Load())
        if isinstance(node.func, ast.Attribute) and node.func.attr == "to":
            return node.func.value
        if name == "torch.addcmul":  # a − b c in one rounding
            a, b, c = node.args
            return ast.BinOp(a, ast.Sub(), ast.BinOp(b, ast.Mult(), c))
        if self.source.inline.get(name) is tuple:
            return ast.Tuple([*node.args, *(k.value for k in node.keywords)], ast.Load())
        if name in self.source.inline:
            return _inlined(self.source.inline[name], node.args, self.source)
        return node

    def visit_Assign(self, node: ast.Assign) -> Any:
        node = self.generic_visit(node)  # type: ignore[assignment]
        target = node.targets[0]
        if f"({ast.unparse(target)})" == ast.unparse(node.value):
            return None  # renamed, both sides are the same
        if isinstance(target, ast.Tuple) and len(target.elts) == 1:
            value = node.value
            if not isinstance(value, ast.Tuple | ast.Attribute | ast.Name):
                node.targets = [target.elts[0]]
        return node

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        node = self.generic_visit(node)  # type: ignore[assignment]
        if isinstance(node.op, ast.Mult):  # 1 · x and x · 1, which an inlined formula leaves
            for kept, other in ((node.left, node.right), (node.right, node.left)):
                if isinstance(other, ast.Constant) and other.value == 1:
                    return kept
        return node


def _is_one(arguments: list[ast.expr]) -> bool:
    return len(arguments) == 1 and not isinstance(arguments[0], ast.Starred)


def _inlined(function: Any, arguments: list[ast.expr], source: Source) -> ast.expr:
    """The formula of a function of one line, with these arguments."""
    tree = _tree(function)
    body = next(n for n in ast.walk(tree) if isinstance(n, ast.Return)).value
    # By names that nobody has, so that what they stand for is not renamed again.
    apart = {a.arg: f"_argument_{i}" for i, a in enumerate(tree.args.args)}
    body = _put({old: ast.Name(new, ast.Load()) for old, new in apart.items()}, body)
    body = _Plain(source).visit(body)
    return _put(dict(zip(apart.values(), arguments, strict=False)), body)


def _put(values: dict[str, ast.expr], body: Any) -> Any:
    """The same with these expressions for names."""

    class Put(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> Any:
            return copy.deepcopy(values.get(node.id, node))

    return Put().visit(copy.deepcopy(body))


def _is_text(s: ast.stmt) -> bool:
    return (
        isinstance(s, ast.Expr)
        and isinstance(s.value, ast.Constant)
        and isinstance(s.value.value, str)
    )


def _shown(forward: Any, source: Source) -> str:
    """The forward as a function named so."""
    tree = _Plain(Source(forward, "", names=source.renamed)).visit(_tree(forward))
    tree.name = "forward"
    tree.decorator_list = []
    return ast.unparse(ast.fix_missing_locations(tree))


def _global_names(of: Any) -> dict[str, Any]:
    if isinstance(of, type):
        of = next(f for f in vars(of).values() if isinstance(f, staticmethod)).__func__
    return dict(inspect.unwrap(of).__globals__)


def _imports(tree: ast.AST, names: dict[str, Any]) -> tuple[str, ...]:
    """For each name that the module knows, the line that brings it."""
    found = []
    for name in dict.fromkeys(n.id for n in ast.walk(tree) if isinstance(n, ast.Name)):
        value = names.get(name)
        if isinstance(value, types.ModuleType):
            package, _, last = value.__name__.rpartition(".")
            called = last if last == name else f"{last} as {name}"
            found.append(f"from {package} import {called}" if package else f"import {name}")
        elif value is not None and getattr(value, "__module__", "").startswith("manual_backprop"):
            found.append(f"from {value.__module__} import {name}")
    return tuple(sorted(set(found), key=lambda line: (line != "import torch", line)))
