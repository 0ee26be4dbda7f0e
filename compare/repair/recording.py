"""What every expression of a function was worth, and every name when it returned."""

import ast
import copy
import sys
from collections.abc import Callable, Sequence
from typing import Any

from compare.repair.program import Editable

_RECORD = "__recorded_value__"


def values_in(
    editable: Editable, run: Callable[[], Any]
) -> tuple[dict[ast.AST, Any], dict[str, Any]]:
    """The value of each expression the last time that it was computed, and the names at the end.

    What ``run`` raises is kept back: what was computed until then is there.
    """
    nodes = list(ast.walk(editable.tree))
    marked = copy.deepcopy(editable.tree)
    numbers = {id(node): i for i, node in enumerate(ast.walk(marked))}
    tree = _Watched(numbers).visit(marked)
    found: dict[ast.AST, Any] = {}

    def record(number: int, value: Any) -> Any:
        found[nodes[number]] = value
        return value

    scope = editable.function.__globals__
    scope[_RECORD] = record
    names: dict[str, Any] = {}
    try:
        code = editable.compiled(tree)
        editable.function.__code__ = code

        def watch(frame: Any, event: str, _: Any) -> None:
            if event == "return" and frame.f_code is code:
                names.update(frame.f_locals)

        sys.setprofile(watch)
        try:
            run()
        finally:
            sys.setprofile(None)
    except Exception:
        pass
    finally:
        editable.function.__code__ = editable.original
        del scope[_RECORD]
    return found, names


class _Watched(ast.NodeTransformer):
    """Each expression handed through ``record``, but for those in comprehensions."""

    def __init__(self, numbers: dict[int, int]) -> None:
        self.numbers = numbers

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Lambda | ast.FunctionDef):
            if isinstance(node, ast.Lambda):
                node.body = self.visit(node.body)
            else:
                node.body = [self.visit(s) for s in node.body]
            return node
        if isinstance(
            node, ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp | ast.JoinedStr
        ):
            return node
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute):
                function.value = self.visit(function.value)
            node.args = [self.visit(a) for a in node.args]
            node.keywords = [self.visit(k) for k in node.keywords]
        else:
            super().generic_visit(node)
        if not isinstance(node, ast.expr) or isinstance(
            node, ast.Starred | ast.Slice | ast.Constant
        ):
            return node
        if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            return node
        if id(node) not in self.numbers:
            return node
        called = ast.Call(
            ast.Name(_RECORD, ast.Load()), [ast.Constant(self.numbers[id(node)]), node], []
        )
        return ast.copy_location(called, node)


def called_functions(run: Callable[[], Any]) -> list[Any]:
    """The code of every function that ``run`` calls, in order; what it raises is kept back."""
    found: dict[Any, None] = {}

    def watch(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            found.setdefault(frame.f_code)

    sys.setprofile(watch)
    try:
        run()
    except Exception:
        pass
    finally:
        sys.setprofile(None)
    return list(found)


def returned_by(codes: Sequence[Any], run: Callable[[], Any]) -> list[Any]:
    """What functions of these codes return in ``run``; what it raises is kept back."""
    found = []

    def watch(frame: Any, event: str, value: Any) -> None:
        if event == "return" and frame.f_code in codes:
            found.append(value)

    sys.setprofile(watch)
    try:
        run()
    except Exception:
        pass
    finally:
        sys.setprofile(None)
    return found
