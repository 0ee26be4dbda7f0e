"""Where a function is written: its file, its text, and the tree of it.

Decorators are looked through, and so are functions that only hand on what they are given, as
``return f(ctx, *gradients)`` does: the mathematics is in ``f``.
"""

import ast
import inspect
import linecache
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch

Tree = ast.FunctionDef | ast.Lambda
_TORCH = str(Path(torch.__file__).parent)


@dataclass(frozen=True)
class Written:
    """A Python function and the place where it is written."""

    function: types.FunctionType
    file: str
    tree: Tree

    @cached_property
    def lines(self) -> list[str]:
        """Of the whole file."""
        return linecache.getlines(self.file)

    @property
    def name(self) -> str:
        """Qualified, for people."""
        return self.function.__qualname__

    def text(self, line: int) -> str:
        """A line of the file, without its indentation."""
        return self.lines[line - 1].strip()


def written(function: Any) -> Written | None:
    """Where a function is written; None where there is no source to be had."""
    function = unwrapped(function)
    if not isinstance(function, types.FunctionType):
        return None
    code = function.__code__
    if code.co_filename.startswith(_TORCH):
        return None
    linecache.checkcache(code.co_filename)
    tree = _parsed("".join(linecache.getlines(code.co_filename)))
    if tree is None:
        return None
    found = [node for node in ast.walk(tree) if _is(node, code)]
    if not found:
        return None
    node = found[0] if len(found) == 1 else min(found, key=lambda node: _distance(node, code))
    assert isinstance(node, Tree)
    return Written(function, code.co_filename, node)


@lru_cache(maxsize=16)
def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except SyntaxError:
        return None


def unwrapped(function: Any) -> Any:
    """The function inside of its decorators, or the one that it hands everything on to."""
    for _ in range(8):
        function = inspect.unwrap(getattr(function, "__func__", function))
        inner = None
        if isinstance(function, types.FunctionType):
            inner = _wrapped(function) or _handed_on_to(function)
        if inner is None:
            return function
        function = inner
    return function


def _wrapped(function: types.FunctionType) -> types.FunctionType | None:
    """What it is put around, where it takes whatever comes and knows one function that is not its.

    So are decorators that forgot ``functools.wraps``.
    """
    takes_all = (
        function.__code__.co_flags & inspect.CO_VARARGS and not function.__code__.co_argcount
    )
    known = [cell.cell_contents for cell in function.__closure__ or () if _is_full(cell)]
    functions = [f for f in known if isinstance(inspect.unwrap(f), types.FunctionType)]
    return functions[0] if takes_all and len(functions) == 1 else None


def _is_full(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _handed_on_to(function: types.FunctionType) -> Any:
    """What it calls, where ``return f(…)`` of its own arguments is all that it does."""
    code = function.__code__
    if len(code.co_code) > 120:  # a single call takes less: no need to parse the others
        return None
    tree = _parsed("".join(linecache.getlines(code.co_filename)))
    if tree is None:
        return None
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and _is(n, code)]
    body = [s for s in found[0].body if not _is_docstring(s)] if found else []
    if len(body) != 1 or not isinstance(body[0], ast.Return):
        return None
    call = body[0].value
    if not isinstance(call, ast.Call) or call.keywords:
        return None
    own = set(code.co_varnames[: code.co_argcount + 2])
    if not all(_is_own(argument, own) for argument in call.args):
        return None
    names = inspect.getclosurevars(function)
    try:
        inner = eval(
            compile(ast.Expression(call.func), "", "eval"), {**names.globals, **names.nonlocals}
        )
    except Exception:
        return None
    return inner if isinstance(inspect.unwrap(inner), types.FunctionType) else None


def _is_own(argument: ast.expr, own: set[str]) -> bool:
    if isinstance(argument, ast.Starred):
        argument = argument.value
    if isinstance(argument, ast.Attribute) and argument.attr == "saved_tensors":
        argument = argument.value
    return isinstance(argument, ast.Name) and argument.id in own


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is(node: ast.AST, code: types.CodeType) -> bool:
    """Whether this code was made of this node, as far as lines and arguments tell."""
    if isinstance(node, ast.Lambda):
        if code.co_name != "<lambda>" or node.lineno != code.co_firstlineno:
            return False
    elif isinstance(node, ast.FunctionDef):
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        if code.co_name != node.name or first != code.co_firstlineno:
            return False
    else:
        return False
    arguments = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    count = code.co_argcount + code.co_kwonlyargcount
    return arguments == list(code.co_varnames[:count])


def _distance(node: ast.AST, code: types.CodeType) -> int:
    """Between lambdas on one line: how far the columns of its instructions are from the node's."""
    if not isinstance(node, ast.Lambda):
        return 0
    columns = [p[2] for p in code.co_positions() if p[0] == node.body.lineno and p[2] is not None]
    return abs(min(columns, default=0) - node.body.col_offset)


def statements(tree: Tree) -> Iterator[ast.stmt]:
    """Of a function, those inside of others included, not those of functions inside."""
    if isinstance(tree, ast.Lambda):
        return
    todo: list[ast.AST] = list(reversed(tree.body))
    while todo:
        node = todo.pop()
        if isinstance(node, ast.stmt):
            yield node
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        inside = [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt | ast.withitem)]
        todo += reversed(inside)


def line_of_result(tree: Tree, place: int | None) -> int:
    """The line on which what it returns at this place is computed."""
    if isinstance(tree, ast.Lambda):
        return _element(tree.body, place).lineno
    returns = [s for s in statements(tree) if isinstance(s, ast.Return) and s.value]
    if not returns:
        return tree.lineno
    element = _element(returns[-1].value, place)
    if isinstance(element, ast.Name):
        lines = [
            s.lineno
            for s in statements(tree)
            if isinstance(s, ast.Assign | ast.AugAssign | ast.AnnAssign)
            and element.id in names_stored(s)
            and not (isinstance(s.value, ast.Constant) and s.value.value is None)
        ]
        if lines:
            return lines[-1]
    return element.lineno


def _element(value: ast.expr | None, place: int | None) -> ast.expr:
    assert value is not None
    if isinstance(value, ast.Tuple) and value.elts:
        starred = any(isinstance(e, ast.Starred) for e in value.elts)
        if place is not None and not starred and place < len(value.elts):
            return value.elts[place]
    return value


def names_stored(statement: ast.stmt) -> set[str]:
    """The names that a statement gives a value to."""
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
