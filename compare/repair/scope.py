"""What can be edited: the functions that compute the wrong gradients, and all that they know."""

import ast
import gc
import math
import re
import types
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from compare.repair.call_edits import unused
from compare.repair.feeding import feeding
from compare.repair.harmless import is_harmless
from compare.repair.ingredients import Ingredient, ingredients, is_number
from compare.repair.nodes import places_towards
from compare.repair.probes import Probe
from compare.repair.program import Editable
from compare.repair.recording import called_functions, values_in
from compare.repair.source import written
from compare.trial.key import Key

_LARGE = 1000  # as a factor
# What only a forward does with its context: ``ctx.save_for_backward(x)``, ``f(ctx, x)``.
_OF_FORWARD = re.compile(r"\bctx\b(?!\.\w+\b(?!\())")


class Scope:
    """Of one probe.

    ``editables`` are the backwards on the way to the gradients ``keys`` and the functions of the
    same file that they call, none where one of these is more than arithmetic on tensors;
    ``forwards`` those that save what they read.
    """

    def __init__(self, probe: Probe, keys: Sequence[Key]) -> None:
        self.probe, self.keys = probe, keys
        self.roots: dict[Editable, list[ast.AST]] = {}  # to be edited: what feeds the gradients
        self.editables = self._functions()
        self.forwards = self._forward_functions()
        # Of each function: its expressions' values, its names, and what they can be made into.
        self.values: dict[Editable, dict[ast.AST, Any]] = {}
        self.names: dict[Editable, dict[str, Any]] = {}
        self.pools: dict[Editable, list[Ingredient]] = {}
        self.constants: list[str] = []

    @property
    def functions(self) -> list[Editable]:
        """All that are edited."""
        return [*self.editables, *self.forwards]

    def _functions(self) -> list[Editable]:
        places: dict[types.CodeType, list[int]] = {}
        found: dict[types.CodeType, Editable] = {}
        for node in self.probe.nodes:
            if (place := written(node._forward_cls.backward)) is None:
                continue
            code = place.function.__code__
            found.setdefault(code, Editable(place))
            for key in self.keys:
                towards = places_towards(node, self.probe.leaves.get(key))
                places.setdefault(code, []).extend(towards)
        files = {e.place.file for e in found.values()}
        for code in called_functions(self.probe.gradients):
            if code.co_filename in files and code not in found:
                for function in gc.get_referrers(code):
                    place = written(function) if isinstance(function, types.FunctionType) else None
                    if place is not None and place.function.__code__ is code:
                        found[code] = Editable(place)
                        break
        if not all(map(is_harmless, found.values())):
            return []
        for editable in found.values():
            where = places.get(editable.original)
            self.roots[editable] = feeding(editable.tree, sorted(set(where)) if where else None)
        return list(found.values())

    def _forward_functions(self) -> list[Editable]:
        """Where tensors are saved: what is saved can be the wrong ones."""
        found: dict[types.CodeType, Editable] = {}
        for node in self.probe.nodes:
            cls = node._forward_cls
            for function in filter(None, (cls.forward, getattr(cls, "setup_context", None))):
                place = written(function)
                if place is not None and not isinstance(place.tree, ast.Lambda):
                    found.setdefault(place.function.__code__, Editable(place))
        files = [e.place.file for e in self.editables]
        return [e for e in found.values() if e.place.file in files and is_harmless(e)]

    def record(self) -> None:
        """The values of expressions and names, and what can be made of them."""
        expressions = [text for e in self.forwards for text in _expressions(e)]
        self.constants = _constants(self.forwards)
        self._off = self._wrong_and_right()
        numbers = self._factors()
        for editable in self.editables:
            values, names = values_in(editable, self.probe.gradients)
            names = {n: v for n, v in names.items() if not n.startswith("__")}
            own = {
                editable.text(node): value
                for node, value in values.items()
                if isinstance(node, ast.expr) and not isinstance(node, ast.Name)
            }
            own = {text: value for text, value in own.items() if "\n" not in text}
            own |= {n: v for n, v in editable.function.__globals__.items() if is_number(v)}
            self.values[editable], self.names[editable] = values, names
            forgotten = unused(editable.tree)
            with suppress(RuntimeError):
                found = ingredients(names, own, expressions, forgotten, numbers)
                self.pools[editable] = [replace(i, likely=self._is_off_by(i.value)) for i in found]

    def _wrong_and_right(self) -> list[tuple[Tensor, Tensor]]:
        """Each gradient as it is and as it should be, where they can be compared."""
        try:
            found = self.probe.gradients()
        except Exception:
            return []
        both = [(found.get(key), self.probe.right.get(key)) for key in self.keys]
        return [
            (m.double(), t)
            for m, t in both
            if m is not None and t is not None and m.shape == t.shape and bool(t.any())
        ]

    def _is_off_by(self, value: Any) -> bool:
        """Whether this is the factor, divisor or term that a gradient lacks."""
        if not is_number(value) and (not isinstance(value, Tensor) or value.is_complex()):
            return False
        for m, t in self._off:
            if isinstance(value, Tensor) and not _fits(value.shape, t.shape):
                continue
            value = value.double() if isinstance(value, Tensor) else value
            near = 1e-9 * float(t.abs().max())
            made = [m * value, m + value, m - value]
            if isinstance(value, Tensor) or value:
                made.append(m / value)
            if any(bool(((x - t).abs() <= near).all()) for x in made):
                return True
        return False

    def _factors(self) -> list[int]:
        """Whole numbers that a gradient is too large or too small by."""
        ratios = []
        for m, t in self._off:
            c = abs(float((m * t).sum() / (t * t).sum()))
            ratios += [c, 1 / c] if c and math.isfinite(c) else []
        return [n for c in ratios if 1 < (n := round(c)) < _LARGE and abs(c - n) < 1e-6 * c]


def _fits(shape: torch.Size, into: torch.Size) -> bool:
    try:
        return torch.broadcast_shapes(shape, into) == into
    except RuntimeError:
        return False


def _expressions(editable: Editable) -> list[str]:
    """Of a forward, as they are written."""
    found = [
        n
        for n in ast.walk(editable.tree)
        if isinstance(n, ast.BinOp | ast.Call | ast.UnaryOp | ast.Subscript)
    ]
    texts = [editable.text(n) for n in found]
    return [t for t in dict.fromkeys(texts) if not _OF_FORWARD.search(t) and "\n" not in t]


def _constants(editables: Sequence[Editable]) -> list[str]:
    found = [
        e.text(n)
        for e in editables
        for n in ast.walk(e.tree)
        if isinstance(n, ast.Constant) and type(n.value) in (int, float)
    ]
    return list(dict.fromkeys(found))
