"""The search for changes that make a wrong gradient right: cheap ones first, one trial first."""

import ast
import gc
import math
import re
import time
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from compare.repair.call_edits import enclosed, unused
from compare.repair.feeding import feeding, names_read
from compare.repair.fillers import Filler, fillers
from compare.repair.harmless import is_harmless
from compare.repair.ingredients import Ingredient, fingerprint, ingredients
from compare.repair.nodes import more_than_asked, places_towards
from compare.repair.probes import Probe
from compare.repair.program import Edit, Editable, install
from compare.repair.recording import called_functions, returned_by, values_in
from compare.repair.single_edits import single_edits
from compare.repair.source import statements, written
from compare.repair.whole import whole
from compare.repair.wording import trimmed
from compare.trial.key import Key

_HOLE = "__hole__"
_PLACE = re.compile(r"(?<!\w)_(?!\w)")  # of the expression in a filler
_FAR = 2.45  # the cost of a filler that is tried late
_CHEAP = 1.15  # of an edit that is tried together with another one early
_AFTER = 1.5  # seconds at most to look for something simpler once there is one


@dataclass(frozen=True)
class Candidate:
    """Edits that make some gradients right in every probe."""

    edits: tuple[Edit, ...]
    keys: frozenset[Key]
    summed: bool = False  # by PyTorch, which does it for a gradient that is larger than its tensor

    @property
    def cost(self) -> float:
        """How far-fetched it is; two edits are more so than any one."""
        return sum(e.cost for e in self.edits) + 2.0 * (len(self.edits) - 1) + 1.5 * self.summed


class Search:
    """Over the functions that compute some gradients.

    Args:
        probes: All that a change must be right on, the ones that fail among them.
        keys: The gradients that are wrong.
        deadline: By ``time.monotonic``.
    """

    def __init__(self, probes: Sequence[Probe], keys: Sequence[Key], deadline: float) -> None:
        self.deadline, self.tried = deadline, 0
        self.right = [_right(p, keys) for p in probes]
        self.keys = [k for k in keys if any(k not in right for right in self.right)]
        # Where most is wrong comes first; and where no two sizes are equal, so that what is worth
        # the same there is the same.
        order = sorted(
            range(len(probes)),
            key=lambda i: (-len(set(self.keys) - self.right[i]), not probes[i].at.apart),
        )
        self.probes = [probes[i] for i in order]
        self.right = [self.right[i] for i in order]
        self.found: list[Candidate] = []
        self.editables: list[Editable] = []
        self.roots: dict[Editable, list[ast.AST]] = {}
        self._fill: list[Any] = [None]
        if self.keys:
            self._find_functions()

    # What can be edited

    def _find_functions(self) -> None:
        first = self.probes[0]
        places: dict[types.CodeType, list[int]] = {}
        files = set()
        for node in first.nodes:
            place = written(node._forward_cls.backward)
            if place is None:
                continue
            files.add(place.file)
            for key in self.keys:
                leaf = first.leaves.get(key)
                found = places_towards(node, leaf)
                places.setdefault(place.function.__code__, []).extend(found)
            if place.function.__code__ not in [e.original for e in self.editables]:
                self.editables.append(Editable(place))
        for code in called_functions(lambda: first.gradients()):
            if code.co_filename in files and code not in [e.original for e in self.editables]:
                for function in gc.get_referrers(code):
                    place = written(function) if isinstance(function, types.FunctionType) else None
                    if place is not None and place.function.__code__ is code:
                        self.editables.append(Editable(place))
                        break
        self.editables = [e for e in self.editables if is_harmless(e)]
        for editable in self.editables:
            where = places.get(editable.original)
            self.roots[editable] = feeding(editable.tree, sorted(set(where)) if where else None)
        self.forwards = self._forward_functions()

    def _forward_functions(self) -> list[Editable]:
        """Where tensors are saved: what is saved can be the wrong ones."""
        found: list[Editable] = []
        for node in self.probes[0].nodes:
            cls = node._forward_cls
            for function in (cls.forward, getattr(cls, "setup_context", None)):
                place = written(function) if function else None
                if place is None or isinstance(place.tree, ast.Lambda):
                    continue
                if all(e.original is not place.function.__code__ for e in found):
                    found.append(Editable(place))
        owner = [e.place.file for e in self.editables]
        return [e for e in found if e.place.file in owner and is_harmless(e)]

    # Asking

    def passes(self, edits: Sequence[Edit]) -> frozenset[Key]:
        """The gradients that are right everywhere with these edits."""
        self.tried += 1
        forward = any(e.forward for e in edits)
        try:
            install([*self.editables, *self.forwards], edits)
        except (SyntaxError, ValueError, TypeError, RecursionError):
            return frozenset()
        try:
            return self._right_everywhere(forward)
        finally:
            install([*self.editables, *self.forwards], ())
            if forward:
                for probe in self.probes:
                    probe.run_forward()

    def _right_everywhere(self, forward: bool = False) -> frozenset[Key]:
        alive = frozenset(self.keys)
        for probe, was_right in zip(self.probes, self.right, strict=True):
            try:
                if forward:
                    probe.run_forward()
                found = probe.gradients()
            except Exception:
                return frozenset()
            now = {k for k, x in found.items() if probe.is_right(k, x)} | (alive - found.keys())
            alive &= now
            if not alive or not was_right - set(self.keys) <= now | (was_right - found.keys()):
                return frozenset()
        return alive

    def _take(self, edits: Sequence[Edit], keys: frozenset[Key]) -> None:
        if keys:
            self.found.append(Candidate(tuple(edits), keys, self._is_summed(edits)))

    def _is_summed(self, edits: Sequence[Edit]) -> bool:
        """Whether PyTorch has to sum what is returned with these edits."""
        functions = [*self.editables, *self.forwards]
        install(functions, edits)
        try:
            first = self.probes[0]
            backwards = {node: written(node._forward_cls.backward) for node in first.nodes}
            codes = [place.function.__code__ for place in backwards.values() if place]
            returned = returned_by(codes, first.gradients)
            return any(more_than_asked(node, found) for node in first.nodes for found in returned)
        finally:
            install(functions, ())

    @property
    def complete(self) -> bool:
        """Whether there is a change for every gradient."""
        return set(self.keys) <= {k for c in self.found for k in c.keys}

    def _over(self, until: float) -> bool:
        return time.monotonic() > min(until, self.deadline)

    # The stages

    def run(self, tell: Callable[[], None]) -> None:
        """Stage after stage until each gradient has a change; ``tell`` after each that found."""
        if not self.editables:
            return
        self._prepare()
        for stage in (
            self._missing,
            self._singles,
            lambda: self._filled(0.0, _FAR),
            lambda: self._pairs(_CHEAP),
            self._wholes,
            lambda: self._filled(_FAR, math.inf),
            lambda: self._pairs(math.inf),
        ):
            known = len(self.found)
            stage()
            if len(self.found) > known:
                tell()
            if self.complete or self._over(self.deadline):
                return

    def _prepare(self) -> None:
        """The values of expressions and names in the first trial."""
        self.values: dict[Editable, dict[ast.AST, Any]] = {}
        self.pools: dict[Editable, list[Ingredient]] = {}
        self.names: dict[Editable, dict[str, Any]] = {}
        expressions = [text for e in self.forwards for text in _expressions(e)]
        self.constants = _constants(self.forwards)
        for editable in self.editables:
            values, names = values_in(editable, self.probes[0].gradients)
            names = {n: v for n, v in names.items() if not n.startswith("__")}
            own = {
                editable.text(node): value
                for node, value in values.items()
                if isinstance(node, ast.expr) and not isinstance(node, ast.Name)
            }
            self.values[editable], self.names[editable] = values, names
            with suppress(RuntimeError):
                self.pools[editable] = ingredients(names, own, expressions, unused(editable.tree))

    def _each(self, candidates: Iterator[Edit]) -> None:
        """One edit after the other, cheapest first."""
        until = self.deadline
        ordered = sorted(candidates, key=lambda e: e.cost)
        seen = set()
        for edit in ordered:
            if self._over(until):
                return
            key = (edit.owner.place.file, edit.start, edit.end, edit.text)
            if key in seen:
                continue
            seen.add(key)
            self._take([edit], self.passes([edit]))
            if self.complete and until == self.deadline:
                until = time.monotonic() + _AFTER

    def _all_singles(self) -> Iterator[Edit]:
        for editable in self.editables:
            stored = [n for s in statements(editable.tree) for n in sorted(_stored(s))]
            names = list(dict.fromkeys([*editable.arguments, *stored, *self.names[editable]]))
            names = [n for n in names if n not in ("ctx", "self") and not n.startswith("__")]
            roots = self.roots[editable]
            yield from single_edits(editable, roots, names, self.constants)
        for editable in self.forwards:
            yield from self._saved(editable)

    def _saved(self, editable: Editable) -> Iterator[Edit]:
        """Another tensor saved, or another value put on ctx."""
        names = {n for n in editable.arguments if n not in ("ctx", "self")}
        names |= {n for s in statements(editable.tree) for n in _stored(s)}
        for s in statements(editable.tree):
            for node in ast.walk(s):
                if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
                    continue
                if node.id in names and "ctx" in set(names_read(s)):
                    start, end = editable.span(node)
                    for name in sorted(names - {node.id}):
                        says = f"`{node.id}` is kept for the backward instead of `{name}`"
                        yield Edit(editable, start, end, name, 2.6, "saved", says, forward=True)

    def _singles(self) -> None:
        self._each(self._all_singles())

    def _missing(self) -> None:
        """What is returned is None."""
        for edit in self._whole_edits(only_none=True):
            self._take([edit], self.passes([edit]))

    def _wholes(self) -> None:
        for edit in self._whole_edits(only_none=False):
            if self._over(self.deadline):
                return
            self._take([edit], self.passes([edit]))

    def _whole_edits(self, *, only_none: bool) -> list[Edit]:
        """All that is returned for a gradient replaced by an expression that is worth it."""
        made = []
        for editable in self.editables:
            for key, node in self._returned(editable):
                is_none = isinstance(node, ast.Constant) and node.value is None
                target = self.probes[0].right.get(key)
                if target is None or is_none != only_none:
                    continue
                atoms = [i for i in self.pools.get(editable, ()) if i.cost <= 0.8][:40]
                cost = 0.0 if is_none else 1.5
                for text, far in whole(target, atoms, self.names[editable]):
                    start, end = editable.span(node)
                    was = "None" if is_none else f"`{editable.text(node)}`"
                    says = f"it is {was} instead of `{text}`"
                    made.append(Edit(editable, start, end, text, far + cost, "gradient", says))
        return sorted(made, key=lambda e: e.cost)[:60]

    def _returned(self, editable: Editable) -> Iterator[tuple[Key, ast.expr]]:
        """The expressions that are returned for the wrong gradients, or assigned to their names."""
        first = self.probes[0]
        for node in first.nodes:
            place = written(node._forward_cls.backward)
            if place is None or place.function is not editable.function:
                continue
            for key in self.keys:
                for position in places_towards(node, first.leaves.get(key)):
                    for root in feeding(editable.tree, [position]):
                        value = root.value if isinstance(root, ast.Assign) else root
                        if isinstance(value, ast.expr) and not isinstance(value, ast.Name):
                            yield key, value

    def _filled(self, least: float, most: float) -> None:
        """Something put around an expression; the text is tried only where the value is right."""
        done: set[tuple[int, int, str]] = set()
        until = self.deadline
        for editable, node, value in self._sites():
            made = [
                f for f in fillers(value, self.pools.get(editable, ())) if least <= f.cost < most
            ]
            for filler in self._right_fillers(editable, node, value, made, until):
                edit = _filled(editable, node, filler)
                key = (edit.start, edit.end, edit.text)
                if key not in done:
                    done.add(key)
                    self._take([edit], self.passes([edit]))
            if self.complete and until == self.deadline:
                until = time.monotonic() + _AFTER
            if self._over(until):
                return

    def _sites(self) -> Iterator[tuple[Editable, ast.expr, Any]]:
        for editable in self.editables:
            inside = {id(n) for root in self.roots[editable] for n in ast.walk(root)}
            for node, value in list(self.values[editable].items()):
                usable = isinstance(value, Tensor) or type(value) in (int, float)
                if usable and id(node) in inside and isinstance(node, ast.expr):
                    yield editable, node, value

    def _right_fillers(
        self,
        editable: Editable,
        node: ast.expr,
        value: Any,
        made: Sequence[Filler],
        until: float,
    ) -> list[Filler]:
        """Those that make a gradient right in the first trial, run through a hole in the code."""
        start, end = editable.span(node)
        text = f"{_HOLE}({editable.text(node)}, locals())"
        hole = Edit(editable, start, end, text, 0.0, "hole", "", hole=True)
        scope = editable.function.__globals__
        first, good = self.probes[0], []
        current: list[types.CodeType | None] = [None]

        def fill(expression: Any, names: dict[str, Any]) -> Any:
            assert current[0] is not None
            return eval(current[0], scope, {**names, "_": expression})

        scope[_HOLE] = fill
        known = {fingerprint(value)}
        names = {**self.names[editable], "_": value}
        try:
            editable.install([hole])
            for filler in made:
                if self._over(until):
                    break
                code = compile(filler.text, "<filler>", "eval")
                try:
                    key = fingerprint(eval(code, scope, names))
                except Exception:
                    key = filler.text
                if key is None or key in known:
                    continue
                known.add(key)
                current[0] = code
                self.tried += 1
                try:
                    found = first.gradients()
                except Exception:
                    continue
                wrong = [k for k in self.keys if k in found and k not in self.right[0]]
                if any(first.is_right(k, found[k]) for k in wrong):
                    good.append(filler)
        except (SyntaxError, ValueError, TypeError):
            pass
        finally:
            editable.install([])
            del scope[_HOLE]
        return good

    def _pairs(self, most: float) -> None:
        """Two edits of at most that cost each, by what they cost together."""
        known: dict[Any, Edit] = {}
        for edit in sorted(self._all_singles(), key=lambda e: e.cost):
            if edit.cost > most or edit.forward or self._over(self.deadline):
                continue
            key = self._effect(edit)
            if key is not None and key not in known:
                known[key] = trimmed(edit)
        ordered = sorted(known.values(), key=lambda e: e.cost)
        pairs = sorted(
            (
                (a.cost + b.cost, i, j)
                for i, a in enumerate(ordered)
                for j, b in enumerate(ordered[:i])
            ),
        )
        until = self.deadline
        for _, i, j in pairs:
            if self._over(until):
                return
            both = [ordered[j], ordered[i]]
            if not both[0].overlaps(both[1]) or both[0].owner is not both[1].owner:
                self._take(both, self.passes(both))
                if self.complete and until == self.deadline:
                    until = time.monotonic() + _AFTER

    def _effect(self, edit: Edit) -> Any:
        """What the wrong gradients are with this edit alone; None where nothing changes."""
        try:
            install(self.editables, [edit])
            found = self.probes[0].gradients()
        except Exception:
            return None
        finally:
            install(self.editables, ())
        return tuple(fingerprint(found[k]) for k in self.keys if found[k] is not None)


def _right(probe: Probe, keys: Sequence[Key]) -> set[Key]:
    """The gradients that are right in it, or not asked for; none where it raises."""
    try:
        found = probe.gradients()
    except Exception:
        return set(keys) - probe.leaves.keys()
    return {k for k, x in found.items() if probe.is_right(k, x)} | (set(keys) - found.keys())


def _filled(editable: Editable, node: ast.expr, filler: Filler) -> Edit:
    start, end = editable.span(node)
    own = enclosed(editable.text(node), node)
    text = f"({_PLACE.sub(lambda _: own, filler.text, count=1)})"
    says = filler.says if _PLACE.search(filler.text) else f"`{editable.text(node)}` {filler.says}"
    return Edit(editable, start, end, text, filler.cost, filler.kind, says)


def _expressions(editable: Editable) -> list[str]:
    """Of a forward, as they are written."""
    found = [
        n for n in ast.walk(editable.tree) if isinstance(n, ast.BinOp | ast.Call | ast.UnaryOp)
    ]
    texts = [editable.text(n) for n in found]
    return [t for t in dict.fromkeys(texts) if "ctx" not in t and "\n" not in t]


def _constants(editables: Sequence[Editable]) -> list[str]:
    found = [
        e.text(n)
        for e in editables
        for n in ast.walk(e.tree)
        if isinstance(n, ast.Constant) and type(n.value) in (int, float)
    ]
    return list(dict.fromkeys(found))


def _stored(s: ast.stmt) -> set[str]:
    return {n.id for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
