"""Which change of the source makes a wrong gradient right, verified.

The backward's text is edited, one edit at a time and then two; each edited backward is called on
recorded inputs in float64. What is right on all of them, on other numbers, sizes and settings, and
then by every verdict that the layer was judged by, is shown: the simplest first.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from compare.blame.finding import ORIGINATES, Fault, JudgedLayer, Repair
from compare.diagnosis.mistake import Mistake
from compare.repair import sandbox, wording
from compare.repair.naming import named
from compare.repair.program import Edit, install
from compare.repair.search import Search
from compare.repair.trying import Remedy
from compare.repair.verification import SLOW, probes, verdicts
from compare.trial.key import Key
from compare.trial.trial import is_slow

#: Seconds for each fault, unless the caller says otherwise.
SECONDS = 10.0
# What is not in the source of a backward.
_ELSEWHERE = (Mistake.FORWARD, Mistake.WRITTEN_OVER, Mistake.ROUNDING, Mistake.NO_REFERENCE)
_LABEL = 18  # characters of a layer's name
_FINALISTS = 6  # candidates that are held against every verdict, at most

Answer = dict[Key | None, Repair]  # None for what makes all right


def repaired(
    layers: Sequence[JudgedLayer],
    seconds: float,
    seed: int,
    waiting: Callable[[str], None] = lambda _: None,
) -> list[JudgedLayer]:
    """The same, with a change for each fault that one was found for within the time.

    Args:
        layers: As they were judged.
        seconds: For each fault; 0 looks for none.
        seed: Of the numbers that a change is tried on.
        waiting: Called with what is looked for, where it takes long.
    """
    if seconds <= 0 or not sandbox.available():
        return list(layers)
    return [_repaired(layer, seconds, seed, waiting) for layer in layers]


def _repaired(
    layer: JudgedLayer, seconds: float, seed: int, waiting: Callable[[str], None]
) -> JudgedLayer:
    faults = [f for f in layer.faults if _can_be(f)]
    if layer.piece is None or layer.verdict != ORIGINATES or not faults:
        return layer
    piece = layer.piece
    tensors = [x for given, _ in piece.calls for x in given.tensors]
    if any(x.device.type != "cpu" for x in tensors):
        return layer  # a forked process has no GPU
    limit = seconds * len(faults)

    def work(send: sandbox.Send) -> None:
        _Work(layer, faults, seed, time.monotonic() + 0.9 * limit, send).run()

    said = f"looking for a fix of {_short(layer.label)}, {limit:g} s at most"
    start = time.monotonic()
    told: tuple[Answer, bool] | None = sandbox.run_apart(
        work, limit, lambda: waiting(said), reads=False
    )
    answer, ran_out = told or ({}, False)
    late = seconds if ran_out or time.monotonic() - start >= limit else 0.0
    return replace(layer, faults=tuple(_with(f, answer, late) for f in layer.faults))


def _short(label: str) -> str:
    """For a line of 80 columns, a bar included."""
    return label if len(label) <= _LABEL else f"{label[: _LABEL - 1]}…"


def _can_be(fault: Fault) -> bool:
    return fault.row.key is not None and fault.diagnosis.mistake not in _ELSEWHERE


def _with(fault: Fault, answer: Answer, late: float) -> Fault:
    # What raises gives no gradient: it is right only with what makes all of them right.
    raised = fault.diagnosis.mistake is Mistake.RAISED
    found = answer.get(None if raised else fault.row.key)
    if found is None:
        return replace(fault, out_of_time=late) if _can_be(fault) else fault
    return named(replace(fault, repair=found))


class _Work:
    """The search for one layer, in its own process."""

    def __init__(
        self,
        layer: JudgedLayer,
        faults: Sequence[Fault],
        seed: int,
        deadline: float,
        send: sandbox.Send,
    ) -> None:
        assert layer.piece is not None
        self.piece, self.seed, self.send = layer.piece, seed, send
        self.answer: Answer = {}
        self.judged: dict[tuple[str, ...], tuple[set[Key], int]] = {}
        at_kinks = all(f.input != "given" for f in faults)
        calls, reference = self.piece.calls, self.piece.sides.reference
        self.slow = bool(calls) and is_slow(calls[0][0], reference, SLOW)
        made, self.wide = probes(self.piece, seed, at_kinks, self.slow)
        raised = any(f.diagnosis.mistake is Mistake.RAISED for f in faults)
        keys = [f.row.key for f in faults if f.row.key]
        if raised and made:
            keys = list(made[0].leaves)
        self.search = Search(made, keys, deadline)
        self.trials = len(made)

    def run(self) -> None:
        """Search, telling what is found as soon as it is, and at the end whether that was all."""
        if self.search.keys:
            self.search.run(self._tell)
        self.send((self.answer, self.search.ran_out))

    def _tell(self) -> None:
        for key in self.search.keys:
            every = [c for c in self.search.found if key in c.keys]
            ordered = sorted(every, key=_preference)
            for candidate in ordered[:_FINALISTS]:
                right, trials = self._by_verdict(candidate)
                if key in right:
                    self.answer[key] = self._repair(candidate, len(_texts(every)) - 1, trials)
                    if right >= set(self.search.keys):
                        self.answer[None] = self.answer[key]
                    break
        self.send((self.answer, False))

    def _by_verdict(self, candidate: Remedy) -> tuple[set[Key], int]:
        """What is right by every verdict; of what is slow, what the probes found right."""
        if self.slow:
            return set(candidate.keys), 0
        texts = tuple(e.text + str(e.start) for e in candidate.edits)
        if texts not in self.judged:
            install(self.search.functions, candidate.edits)
            try:
                self.judged[texts] = verdicts(self.piece, sorted(candidate.keys), self.seed)
            finally:
                install(self.search.functions, ())
        return self.judged[texts]

    def _repair(self, candidate: Remedy, alternatives: int, trials: int) -> Repair:
        edits = _tidy(candidate.edits)
        line, old, new = wording.lines(edits)
        return Repair(
            edits[0].owner.place.file,
            line,
            old,
            new,
            self.trials + trials,
            alternatives,
            wording.name(edits),
            tuple(e.kind for e in edits),
            not self.wide or candidate.partly,
            tuple((e.start, e.end, e.text) for e in edits),
        )


def _preference(c: Remedy) -> tuple[float, ...]:
    """What makes more right, then the simplest, the shortest, and what is nearest to the result."""
    grown = sum(len(e.text.encode()) - (e.end - e.start) for e in _tidy(c.edits))
    width = sum(e.end - e.start for e in c.edits)
    return -len(c.keys), round(c.cost, 2), grown, -width, -max(e.start for e in c.edits)


def _tidy(edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
    if len(edits) > 1:
        return edits
    try:
        return (wording.trimmed(edits[0]),)
    except SyntaxError:
        return edits


def _texts(candidates: Sequence[Remedy]) -> set[tuple[str, str]]:
    """What the lines are with each of them."""
    return {wording.lines(c.edits)[1:] for c in candidates}
