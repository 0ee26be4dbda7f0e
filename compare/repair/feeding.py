"""The statements that a result of a backward is computed from."""

import ast
from collections.abc import Iterator, Sequence

from compare.repair.source import Tree, names_stored, statements


def feeding(tree: Tree, places: Sequence[int] | None) -> list[ast.AST]:
    """The roots to edit: statements, or of a ``return`` of several the elements at these places.

    Names are followed through all assignments, in whatever order these run. Without places, and
    where the elements cannot be told apart, everything counts.
    """
    if isinstance(tree, ast.Lambda):
        return _elements(tree.body, places)
    every = list(statements(tree))
    returns = [s for s in every if isinstance(s, ast.Return) and s.value is not None]
    roots: list[ast.AST] = [e for s in returns for e in _elements(s.value, places)]
    names = {name for root in roots for name in names_read(root)}
    changed = True
    taken: list[ast.stmt] = []
    while changed:
        changed = False
        for s in every:
            if s in taken or isinstance(s, ast.Return) or not _own_names(s) & names:
                continue
            taken.append(s)
            names |= {name for part in _own_parts(s) for name in names_read(part)}
            changed = True
    inside = [s for s in every if isinstance(s, ast.If | ast.While | ast.For) and _holds(s, taken)]
    inner = [s for s in taken if isinstance(s, ast.FunctionDef)]
    roots += [part for s in inner for part in feeding(s, None)]
    roots += [s for s in taken if s not in inner]
    roots += [s.test for s in inside if isinstance(s, ast.If | ast.While)]
    roots += [s.iter for s in inside if isinstance(s, ast.For)]
    return sorted(dict.fromkeys(roots), key=lambda node: node.lineno)  # type: ignore[attr-defined]


def names_read(node: ast.AST) -> Iterator[str]:
    """In it."""
    for n in ast.walk(node):
        if isinstance(n, ast.Name):
            yield n.id


def _elements(value: ast.expr | None, places: Sequence[int] | None) -> list[ast.AST]:
    assert value is not None
    if not isinstance(value, ast.Tuple) or not places or len(value.elts) <= max(places):
        return [value]
    if any(isinstance(e, ast.Starred) for e in value.elts):
        return [value]
    return [value.elts[i] for i in places]


def _own_parts(s: ast.stmt) -> Iterator[ast.AST]:
    """What a statement reads itself; of a compound one not its body, unless it is a function's."""
    if isinstance(s, ast.FunctionDef):
        yield s
    for node in ast.iter_child_nodes(s):
        if not isinstance(node, ast.stmt):
            yield node


def _own_names(s: ast.stmt) -> set[str]:
    """What it gives a value to, or changes in place."""
    if isinstance(s, ast.If | ast.While | ast.With | ast.Try):
        return set()
    if isinstance(s, ast.FunctionDef):
        return {s.name}
    if isinstance(s, ast.For):
        return {n.id for n in ast.walk(s.target) if isinstance(n, ast.Name)}
    found = names_stored(s)
    if isinstance(s, ast.Assign | ast.AugAssign):
        targets = s.targets if isinstance(s, ast.Assign) else [s.target]
        found |= {name for target in targets for name in names_read(target)}
    if isinstance(s, ast.Expr):  # ``x.add_(y)``
        found |= set(names_read(s))
    return found


def _holds(s: ast.stmt, taken: Sequence[ast.stmt]) -> bool:
    return any(inner in taken for inner in ast.walk(s) if isinstance(inner, ast.stmt))
