"""Which layer of the manual model does what which layer of the reference does.

A layer and its counterpart (same name, or mapped, or in the same place between two that are paired)
must give out the same when both are given the same. Where they do not, and what manual's layer
gives out is found further on in the reference, it has other layers fused into it; where what the
reference's layer gives out is found further on in manual, manual has it in several parts. Both are
compared at the boundary. Else the layer's forward is wrong, and it stays paired, to be told so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from compare.blame.glue import called_like, with_trusted_layers
from compare.blame.piece import Piece
from compare.blame.stretch import Boundary, Stretch
from compare.trial.case import Case
from compare.trial.given import Given
from compare.trial.key import Kind
from compare.trial.pairing import Pairing
from compare.trial.recorder import Call, class_name, layers_in
from compare.trial.sides import Sides
from compare.verdict.judge import NO_TRUTH, judge

# How many boundaries further on the other end of a fused layer is looked for.
_FAR = 12


@dataclass(frozen=True)
class Aligned:
    """A layer of manual as it is to be judged, with all the layers that it stands for."""

    names: tuple[str, ...]  # in manual; more than one where the reference has them in one
    twins: tuple[str, ...]  # in the reference; more than one where manual has them in one
    piece: Piece
    one_to_one: bool = False  # called alike, with nothing fused into either


class Alignment:
    """Pairs the layers of two models that were recorded on the same input."""

    def __init__(
        self, sides: Sides, given: Given, ours: Sequence[Call], theirs: Sequence[Call]
    ) -> None:
        self.manual, self.reference = sides.manual.model, sides.reference.model
        self.pairing, self.given = sides.pairing, given
        self.calls = theirs
        self.trusted: dict[str, str] = {}  # layers in which the reference's can stand for manual's
        self.ours = [call for call in ours if call.is_layer]
        self.theirs = [call for call in theirs if call.is_layer]
        names, twins = layers_in(self.ours), layers_in(self.theirs)
        self.twins = {n: t for n, t in self.pairing.modules.items() if n in names and t in twins}

    def layers(self) -> Iterator[Aligned]:
        """Every layer of manual that has a counterpart, in the order in which manual runs them."""
        self._pair_by_place()
        names_taken: set[str] = set()
        twins_taken: set[str] = set()
        for name in layers_in(self.ours):
            twin = self.twins.get(name)
            if twin is None or name in names_taken or twin in twins_taken:
                continue
            aligned = self._alone(name, twin)
            if not _does_the_same(aligned.piece):
                aligned = self._fused(name, twin) or self._in_parts(name, twin) or aligned
            names_taken.update(aligned.names)
            twins_taken.update(aligned.twins)
            if aligned.one_to_one:
                self.trusted[name] = twin
            yield aligned

    def alone(self, name: str, twin: str, manual: nn.Module | None = None) -> Piece:
        """One module of each side, on every input that the reference's got.

        The layers inside it that have been paired compute as the reference's do: what is wrong
        with them is not its own doing.
        """
        ours = self.manual.get_submodule(name) if manual is None else manual
        theirs = self.reference.get_submodule(twin)
        pairing = self._local(name, twin)
        prefix, twin_prefix = (f"{n}." if n else "" for n in (name, twin))
        inside = [
            (ours.removeprefix(prefix), theirs.removeprefix(twin_prefix))
            for ours, theirs in self.trusted.items()
            if ours != name and ours.startswith(prefix) and theirs.startswith(twin_prefix)
        ]
        if inside:
            ours = with_trusted_layers(ours, theirs, inside, pairing)
        calls = [(c.given, c.cotangents()) for c in _alike(self._calls(twin))]
        sides = Sides(Case(ours, by_layer=False), Case(theirs, by_layer=False), pairing)
        return Piece(self._label(name), sides, calls)

    def _alone(self, name: str, twin: str) -> Aligned:
        piece = self.alone(name, twin)
        given = piece.calls[0][0]
        try:
            piece.sides.manual.outputs(given)
        except TypeError:
            own = next(call.given for call in self.ours if call.module == name)
            if [x.shape for x in own.tensors] == [x.shape for x in given.tensors]:
                called = called_like(self.manual.get_submodule(name), own)
                return Aligned((name,), (twin,), self.alone(name, twin, called))
        except Exception:
            pass  # manual's own error: it is told when the layer is judged
        return Aligned((name,), (twin,), piece, one_to_one=True)

    def _fused(self, name: str, twin: str) -> Aligned | None:
        """Manual's one layer against the first stretch of the reference that does the same."""
        [call, *_] = self._calls(twin)
        for stop, within in _boundaries(self.theirs, call):
            twins = (twin, *within)
            stretch = Stretch(self.reference, self.given, Boundary(twin, 1, False), stop, twins)
            tensors = {
                ours.removeprefix(f"{name}."): theirs
                for ours, theirs in self.pairing.tensors.items()
                if _owner(ours) == name and _owner(theirs) in twins
            }
            alone = self.alone(name, twin)
            sides = Sides(alone.sides.manual, Case(stretch, by_layer=False), Pairing(tensors))
            piece = replace(alone, sides=sides, calls=[(call.given, self._incoming(stop))])
            if _does_the_same(piece):
                return Aligned((name,), twins, piece)
        return None

    def _in_parts(self, name: str, twin: str) -> Aligned | None:
        """The first stretch of manual that does the same as the reference's one layer."""
        [call, *_] = self._calls(twin)
        first = next(c for c in self.ours if c.module == name)
        for stop, within in _boundaries(self.ours, first):
            names = (name, *within)
            stretch = Stretch(self.manual, self.given, Boundary(name, 1, False), stop, names)
            tensors = {
                ours: theirs.removeprefix(f"{twin}.")
                for ours, theirs in self.pairing.tensors.items()
                if _owner(ours) in names and _owner(theirs) == twin
            }
            reference = self.alone(name, twin).sides.reference
            label = ", ".join(self._label(n) for n in names)
            sides = Sides(Case(stretch, by_layer=False), reference, Pairing(tensors))
            piece = Piece(label, sides, [(call.given, call.cotangents())])
            if _does_the_same(piece):
                return Aligned(names, (twin,), piece)
        return None

    def _pair_by_place(self) -> None:
        """Pair what has no counterpart yet, between two layers that have one.

        First what does the same; then, where as many are left on both sides, one after the other.
        """
        names, twins = layers_in(self.ours), layers_in(self.theirs)
        for sure in (True, False):
            for unpaired, candidates in self._gaps(names, twins):
                if not sure and len(unpaired) != len(candidates):
                    continue
                for name in unpaired:
                    for twin in candidates:
                        if not sure or _does_the_same(self.alone(name, twin)):
                            self.twins[name] = twin
                            candidates.remove(twin)
                            break

    def _gaps(self, names: list[str], twins: list[str]) -> Iterator[tuple[list[str], list[str]]]:
        """Between two layers that are paired: those of manual and of the reference that are not."""
        paired = set(self.twins.values())
        gap: list[str] = []
        start = 0
        for name in [*names, None]:
            if name is not None and name not in self.twins:
                gap.append(name)
                continue
            end = len(twins) if name is None else twins.index(self.twins[name])
            if gap:
                yield gap, [twin for twin in twins[start:end] if twin not in paired]
            gap, start = [], end + 1

    def _calls(self, twin: str) -> list[Call]:
        return [call for call in self.calls if call.module == twin]

    def _incoming(self, stop: Boundary) -> list[torch.Tensor]:
        """What the reference got back there, where that was recorded."""
        ends = [c for c in self.theirs if stop == Boundary(c.module, c.number, True)]
        return ends[0].cotangents() if ends else []

    def _local(self, name: str, twin: str) -> Pairing:
        """The pairing inside of two modules, by the names that these have there."""
        prefix, twin_prefix = (f"{n}." if n else "" for n in (name, twin))
        return Pairing(
            {
                ours.removeprefix(prefix): theirs.removeprefix(twin_prefix)
                for ours, theirs in self.pairing.tensors.items()
                if ours.startswith(prefix) and theirs.startswith(twin_prefix)
            }
        )

    def _label(self, name: str) -> str:
        return f"{name} {class_name(self.manual.get_submodule(name))}".strip()


def _alike(calls: Sequence[Call]) -> list[Call]:
    """The calls, with a gradient taken to what any of them takes one to.

    A state that starts as zeros requires none in the first call.
    """
    marks = [[x.requires_grad for x in call.given.tensors] for call in calls]
    if len({len(mark) for mark in marks}) != 1:
        return list(calls)
    wanted = [any(column) for column in zip(*marks, strict=True)]
    same = []
    for call in calls:
        values = [
            x.detach().requires_grad_(want)
            for x, want in zip(call.given.tensors, wanted, strict=True)
        ]
        same.append(replace(call, given=call.given.with_tensors(values)))
    return same


def _does_the_same(piece: Piece) -> bool:
    """Whether both give out the same for what the reference was given."""
    given = piece.calls[0][0]
    try:
        found = piece.sides.manual.outputs(given)
        expected = piece.sides.reference.outputs(given)
        items, _ = piece.sides.reference.gradients(given, None, torch.float64)
    except Exception:
        return False
    true = [item.tensor for item in items]
    if len(found) != len(expected):
        return False
    rows = [judge("", Kind.OUTPUT, *tensors) for tensors in zip(found, expected, true, strict=True)]
    return all(row.passed or row.verdict == NO_TRUTH for row in rows)


def _boundaries(calls: Sequence[Call], start: Call) -> Iterator[tuple[Boundary, list[str]]]:
    """The places after a call, each with the names of the layers run until there."""
    after = sorted((c for c in calls if c.began > start.ended), key=lambda c: c.began)
    within: list[str] = []
    for call in after[: _FAR // 2]:
        yield Boundary(call.module, call.number, False), list(within)
        within.append(call.module)
        yield Boundary(call.module, call.number, True), list(within)


def _owner(name: str) -> str:
    return name.rpartition(".")[0]
