"""Whether edits make gradients right in every probe."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compare.repair.ingredients import fingerprint
from compare.repair.nodes import more_than_asked
from compare.repair.probes import Probe
from compare.repair.program import Edit, install
from compare.repair.recording import returned_by
from compare.repair.sandbox import bounded
from compare.repair.scope import Scope
from compare.repair.source import written
from compare.trial.key import Key

_LEAST, _SLOWER = 0.1, 8.0  # seconds, and how much slower than the backward as it is


@dataclass(frozen=True)
class Remedy:
    """Edits that make some gradients right in every probe."""

    edits: tuple[Edit, ...]
    keys: frozenset[Key]
    summed: bool = False  # by PyTorch, which does it for a gradient that is larger than its tensor
    partly: bool = False  # in some probe it raises, and so did the backward as it was

    @property
    def cost(self) -> float:
        """How far-fetched it is; two edits are more so than any one."""
        more = 2.0 * (len(self.edits) - 1) + 1.5 * self.summed + 3.0 * self.partly
        return sum(e.cost for e in self.edits) + more


class Trying:
    """Edits of the functions in a scope, on all probes.

    ``keys`` are those of the gradients that are wrong in some probe, ``right`` those that are right
    in each.
    """

    def __init__(self, probes: Sequence[Probe], keys: Sequence[Key]) -> None:
        start = time.process_time()
        right, raises = zip(*[_right(p, keys) for p in probes], strict=True) if probes else ((), ())
        #: Seconds of CPU after which an edit is given up: it has made a loop that does not end.
        self.patience = _LEAST + _SLOWER * (time.process_time() - start)
        self.keys = [k for k in keys if any(k not in found for found in right)]
        # What it raises on, though not on what was given: it may not be meant for that at all,
        # such as a loss over pairs for two inputs of different lengths. A change may raise there.
        optional = [r and not raises[0] for r in raises]
        # Where most is wrong comes first; and where no two sizes are equal, so that what is worth
        # the same there is the same.
        order = sorted(
            range(len(probes)),
            key=lambda i: (optional[i], -len(set(self.keys) - right[i]), not probes[i].at.apart),
        )
        self.probes = [probes[i] for i in order]
        self.right = [right[i] for i in order]
        self.optional = [optional[i] for i in order]
        self.scope = Scope(self.probes[0], self.keys) if self.keys else None
        nodes = self.probes[0].nodes if self.probes else []
        places = (written(node._forward_cls.backward) for node in nodes)
        self._backwards = [place.function for place in places if place]

    @property
    def functions(self) -> list[Any]:
        """Those that can be edited."""
        return self.scope.functions if self.scope else []

    def candidate(self, edits: Sequence[Edit]) -> Remedy | None:
        """Of these edits, if they make anything right."""
        keys, partly = self._right_with(edits)
        return Remedy(tuple(edits), keys, self._is_summed(edits), partly) if keys else None

    def effect(self, edit: Edit) -> Any:
        """What the wrong gradients are with this edit alone; None where it raises."""
        try:
            install(self.functions, [edit])
            with bounded(self.patience):
                found = self.probes[0].gradients()
        except Exception:
            return None
        finally:
            install(self.functions, ())
        return tuple(fingerprint(found[k]) for k in self.keys if found[k] is not None)

    def _right_with(self, edits: Sequence[Edit]) -> tuple[frozenset[Key], bool]:
        """The gradients that are right everywhere with these edits, and whether some raised."""
        forward = any(e.forward for e in edits)
        try:
            install(self.functions, edits)
        except (SyntaxError, ValueError, TypeError, RecursionError):
            return frozenset(), False
        try:
            with bounded(self.patience):
                return self._right_everywhere(forward)
        except TimeoutError:
            return frozenset(), False
        finally:
            install(self.functions, ())
            if forward:
                for probe in self.probes:
                    probe.run_forward()

    def _right_everywhere(self, forward: bool) -> tuple[frozenset[Key], bool]:
        alive, partly = frozenset(self.keys), False
        every = zip(self.probes, self.right, self.optional, strict=True)
        for probe, was_right, optional in every:
            try:
                if forward:
                    probe.run_forward()
                found = probe.gradients()
            except TimeoutError:
                raise
            except Exception:
                if not optional:
                    return frozenset(), False
                partly = True
                continue
            now = {k for k, x in found.items() if probe.is_right(k, x)} | (alive - found.keys())
            alive &= now
            if not alive or not was_right - set(self.keys) <= now | (was_right - found.keys()):
                return frozenset(), False
        return alive, partly

    def _is_summed(self, edits: Sequence[Edit]) -> bool:
        """Whether PyTorch has to sum what is returned with these edits."""
        install(self.functions, edits)
        try:
            first = self.probes[0]
            codes = [function.__code__ for function in self._backwards]
            returned = returned_by(codes, first.gradients)
            return any(more_than_asked(node, found) for node in first.nodes for found in returned)
        finally:
            install(self.functions, ())


def _right(probe: Probe, keys: Sequence[Key]) -> tuple[set[Key], bool]:
    """The gradients that are right in it, or not asked for; and whether it raises."""
    try:
        found = probe.gradients()
    except Exception:
        return set(keys) - probe.leaves.keys(), True
    right = {k for k, x in found.items() if probe.is_right(k, x)} | (set(keys) - found.keys())
    return right, False
