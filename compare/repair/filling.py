"""Something put around an expression: tried through a hole in the code, compiled once for all.

The hole is a call that gets the expression's value and the names in scope. The text is made into an
edit only where the value that comes out is right in the first probe.
"""

import ast
import re
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import Tensor

from compare.repair.call_edits import enclosed
from compare.repair.fillers import Filler
from compare.repair.ingredients import fingerprint
from compare.repair.program import Edit, Editable
from compare.repair.sandbox import bounded
from compare.repair.trying import Trying

_HOLE = "__hole__"
_PLACE = re.compile(r"(?<!\w)_(?!\w)")  # of the expression in a filler

Site = tuple[Editable, ast.expr, Any]
Known = dict[Any, bool]  # whether what is worth that makes anything right, by fingerprint


def sites(trying: Trying) -> Iterator[Site]:
    """The expressions that feed the gradients, with their values."""
    assert trying.scope is not None
    for editable in trying.scope.editables:
        inside = {id(n) for root in trying.scope.roots[editable] for n in ast.walk(root)}
        for node, value in list(trying.scope.values[editable].items()):
            usable = isinstance(value, Tensor) or type(value) in (int, float)
            if usable and id(node) in inside and isinstance(node, ast.expr):
                yield editable, node, value


def fitting(
    trying: Trying, site: Site, made: Sequence[Filler], known: Known, over: Callable[[], bool]
) -> list[Edit]:
    """Those of the fillers that make a wrong gradient right in the first probe, as edits.

    ``known`` remembers what has been tried at this site: what is worth the same fits the same.
    """
    editable, node, value = site
    assert trying.scope is not None
    start, end = editable.span(node)
    text = f"{_HOLE}({editable.text(node)}, locals())"
    hole = Edit(editable, start, end, text, 0.0, "hole", "", hole=True)
    scope = editable.function.__globals__
    current: list[types.CodeType | None] = [None]

    def fill(expression: Any, names: dict[str, Any]) -> Any:
        assert current[0] is not None
        return eval(current[0], scope, {**names, "_": expression})

    scope[_HOLE] = fill
    known.setdefault(fingerprint(value), False)
    names = {**trying.scope.names[editable], "_": value}
    good: list[Filler] = []
    try:
        editable.install([hole])
        for filler in made:
            if over():
                break
            code = compile(filler.text, "<filler>", "eval")
            try:
                key = fingerprint(eval(code, scope, names))
            except Exception:
                key = filler.text
            if key is None:
                continue
            if key not in known:
                current[0] = code
                known[key] = _makes_one_right(trying)
            if known[key]:
                good.append(filler)
    except (SyntaxError, ValueError, TypeError):
        pass
    finally:
        editable.install([])
        del scope[_HOLE]
    return [_edit(editable, node, filler) for filler in good]


def _makes_one_right(trying: Trying) -> bool:
    first = trying.probes[0]
    try:
        with bounded(trying.patience):
            found = first.gradients()
    except Exception:
        return False
    wrong = [k for k in trying.keys if k in found and k not in trying.right[0]]
    return any(first.is_right(k, found[k]) for k in wrong)


def _edit(editable: Editable, node: ast.expr, filler: Filler) -> Edit:
    start, end = editable.span(node)
    own = enclosed(editable.text(node), node)
    text = f"({_PLACE.sub(lambda _: own, filler.text)})"
    says = filler.says if _PLACE.search(filler.text) else f"`{editable.text(node)}` {filler.says}"
    return Edit(editable, start, end, text, filler.cost, filler.kind, says)
