"""The search for changes that make a wrong gradient right: cheap ones first, one trial first."""

import ast
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import combinations, pairwise

from compare.repair.at_once import AtOnce, possible
from compare.repair.call_edits import CallEdits
from compare.repair.feeding import feeding, names_read
from compare.repair.fillers import fillers
from compare.repair.filling import Known, fitting, sites
from compare.repair.nodes import places_towards
from compare.repair.probes import Probe
from compare.repair.program import Edit, Editable
from compare.repair.single_edits import single_edits
from compare.repair.source import names_stored, statements, written
from compare.repair.trying import Remedy, Trying
from compare.repair.whole import whole
from compare.repair.wording import trimmed
from compare.trial.key import Key

# Costs up to which single edits and fillers are tried in turn: a function of thirty lines has
# thousands of the dear ones, and what is missing is more often one factor than another name.
_EDITS, _FILLERS = (1.25, 1.6, 1.85, math.inf), (2.05, 2.25, 2.45)
_CHEAP = 1.15  # of an edit that is tried together with another one early
_AFTER = 1.5  # seconds of CPU to look for something simpler once there is one


class Search:
    """Over the functions that compute some gradients.

    Args:
        probes: All that a change must be right on, the ones that fail among them.
        keys: The gradients that are wrong.
        deadline: By ``time.monotonic``.
    """

    def __init__(self, probes: Sequence[Probe], keys: Sequence[Key], deadline: float) -> None:
        self.trying, self.deadline = Trying(probes, keys), deadline
        self.keys, self.functions = self.trying.keys, self.trying.functions
        self.found: list[Remedy] = []
        self.ran_out = False  # whether the time was over before everything was tried
        self._until = math.inf  # of CPU, once there is a change for every gradient
        self._known: dict[ast.expr, Known] = {}

    @property
    def complete(self) -> bool:
        """Whether there is a change for every gradient."""
        return set(self.keys) <= {k for c in self.found for k in c.keys}

    def run(self, tell: Callable[[], None]) -> None:
        """Stage after stage until each gradient has a change; ``tell`` as soon as one is found."""
        scope = self.trying.scope
        if scope is None or not scope.editables:
            return
        scope.record()
        self.scope, self._tell = scope, tell
        self._at_once = {e: AtOnce(e, scope.names[e]) for e in scope.editables}
        for least, stage in self._stages():
            if self._is_enough(least):
                break
            known = len(self.found)
            with suppress(Exception):  # one kind of edit that cannot be formed leaves the others
                stage()
            if len(self.found) > known:
                tell()
        self.ran_out = not self.complete and time.monotonic() > self.deadline

    def _stages(self) -> Iterator[tuple[float, Callable[[], None]]]:
        """What is tried in turn, each with what a change by it costs at least."""
        yield 0.0, lambda: self._try_each([e] for e in self._wholes(only_none=True))
        yield 0.0, partial(self._try_singles, 0.0, _EDITS[0])
        yield 1.5, partial(self._fill, 0.0, math.inf, likely=True)
        # Dear, but found without running anything: what is worth a whole gradient.
        yield 3.0, lambda: self._try_each([e] for e in self._wholes(only_none=False))
        bounds = _EDITS, (1.5, *_FILLERS)
        edits, fills = (list(pairwise(b)) for b in bounds)
        for (least, most), (low, high) in zip(edits, fills, strict=True):
            yield least, partial(self._try_singles, least, most)
            yield low, partial(self._fill, low, high)
        yield 4.0, lambda: self._try_each(self._pairs(_CHEAP))
        yield _FILLERS[-1], partial(self._fill, _FILLERS[-1], math.inf)
        yield 4.0, lambda: self._try_each(self._pairs(math.inf))

    def _is_enough(self, least: float) -> bool:
        """Whether there is a change for each gradient, and nothing cheaper is to come."""
        if not self.complete:
            return self._over()
        cheapest = (min(c.cost for c in self.found if k in c.keys) for k in self.keys)
        return self._over() or least >= max(cheapest, default=0.0)

    def _over(self) -> bool:
        return time.monotonic() > self.deadline or time.process_time() > self._until

    def _try_singles(self, least: float, most: float) -> None:
        self._try_each([e] for e in self._singles() if least <= e.cost < most)

    def _try_each(self, every: Iterable[Sequence[Edit]]) -> None:
        for edits in every:
            if self._over():
                return
            if not possible(edits, self._at_once):
                continue
            if candidate := self.trying.candidate(edits):
                new = candidate.keys - {k for c in self.found for k in c.keys}
                self.found.append(candidate)
                if new:  # what is told is not lost when the time is over
                    self._tell()
                self._hurry()

    def _hurry(self) -> None:
        if self.complete and self._until == math.inf:
            self._until = time.process_time() + _AFTER

    def _fill(self, least: float, most: float, *, likely: bool = False) -> None:
        """Something put around an expression; or that alone which a gradient is off by."""
        done: set[tuple[int, int, str]] = set()
        for site in sites(self.trying):
            made = fillers(site[2], self.scope.pools.get(site[0], ()))
            in_turn = [f for f in made if least <= f.cost < most and (f.likely or not likely)]
            known = self._known.setdefault(site[1], {})
            found = fitting(self.trying, site, in_turn, known, self._over)
            edits = {(e.start, e.end, e.text): e for e in found}
            self._try_each([e] for key, e in edits.items() if key not in done)
            done |= edits.keys()
            if self._over():
                return

    def _singles(self) -> list[Edit]:
        """One edit, each once, cheapest first."""
        found: dict[tuple[str, int, int, str], Edit] = {}
        for edit in sorted(self._all_singles(), key=lambda e: e.cost):
            found.setdefault((edit.owner.place.file, edit.start, edit.end, edit.text), edit)
        return list(found.values())

    def _all_singles(self) -> Iterator[Edit]:
        scope = self.scope
        for editable in scope.editables:
            stored = [n for s in statements(editable.tree) for n in sorted(names_stored(s))]
            names = list(dict.fromkeys([*editable.arguments, *stored, *scope.names[editable]]))
            names = [n for n in names if n not in ("ctx", "self") and not n.startswith("__")]
            yield from single_edits(editable, scope.roots[editable], names, scope.constants)
        for editable in scope.forwards:
            yield from _saved(editable)

    def _pairs(self, most: float) -> Iterator[list[Edit]]:
        """Two edits of at most that cost each, by what they cost together."""
        known: dict[object, Edit] = {}
        for edit in self._singles():
            if edit.cost <= most and not edit.forward and not self._over():
                effect = self.trying.effect(edit)
                if effect is not None and effect not in known:
                    known[effect] = trimmed(edit)
        ordered = combinations(sorted(known.values(), key=lambda e: e.cost), 2)
        for a, b in sorted(ordered, key=lambda pair: pair[0].cost + pair[1].cost):
            if a.owner is not b.owner or not a.overlaps(b):
                yield [a, b]

    def _wholes(self, *, only_none: bool) -> list[Edit]:
        """All that is returned for a gradient replaced by an expression that is worth it."""
        made = []
        for editable in self.scope.editables:
            for key, node in self._returned(editable):
                is_none = isinstance(node, ast.Constant) and node.value is None
                target = self.trying.probes[0].right.get(key)
                if target is None or is_none != only_none:
                    continue
                atoms = [i for i in self.scope.pools.get(editable, ()) if i.cost <= 0.8][:40]
                cost = 0.0 if is_none else 1.5
                for text, far in whole(target, atoms, self.scope.names[editable]):
                    start, end = editable.span(node)
                    was = "None" if is_none else f"`{editable.text(node)}`"
                    says = f"it is {was} instead of `{text}`"
                    made.append(Edit(editable, start, end, text, far + cost, "gradient", says))
        return sorted(made, key=lambda e: e.cost)[:60]

    def _returned(self, editable: Editable) -> Iterator[tuple[Key, ast.expr]]:
        """The expressions that are returned for the wrong gradients, or assigned to their names."""
        first = self.trying.probes[0]
        for node in first.nodes:
            place = written(node._forward_cls.backward)
            if place is None or place.function is not editable.function:
                continue
            for key in self.keys:
                for position in places_towards(node, first.leaves.get(key)):
                    roots = feeding(editable.tree, [position])
                    assigned = [t.id for r in roots for t in _plain_targets(r)]
                    for root in roots:
                        value = root.value if isinstance(root, ast.Assign) else root
                        # Of a name that is given a value of its own, that is what is wrong.
                        named = isinstance(value, ast.Name) and value.id in assigned
                        if isinstance(value, ast.expr) and not named:
                            yield key, value


def _plain_targets(root: ast.AST) -> list[ast.Name]:
    """The one name that it gives a value to, if that is all that it does."""
    targets = root.targets if isinstance(root, ast.Assign) else []
    return [t for t in targets if isinstance(t, ast.Name)]


def _saved(editable: Editable) -> Iterator[Edit]:
    """Another tensor saved, another value put on ctx, or two of them in each other's place."""
    maker = CallEdits(editable, (), ())
    for node in ast.walk(editable.tree):
        if isinstance(node, ast.Call) and maker.t(node.func).endswith(".save_for_backward"):
            for a, b, text in maker.exchanged(node.args):
                says = f"`{a}` and `{b}` are saved in the wrong order"
                made = maker.put(node, f"{maker.t(node.func)}({text})", 1.9, "saved", says)
                yield replace(made, forward=True)
    names = {n for n in editable.arguments if n not in ("ctx", "self")}
    names |= {n for s in statements(editable.tree) for n in names_stored(s)}
    for s in statements(editable.tree):
        for node in ast.walk(s):
            if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
                continue
            if node.id in names and "ctx" in set(names_read(s)):
                start, end = editable.span(node)
                for name in sorted(names - {node.id}):
                    says = f"`{node.id}` is kept for the backward instead of `{name}`"
                    yield Edit(editable, start, end, name, 2.3, "saved", says, forward=True)
