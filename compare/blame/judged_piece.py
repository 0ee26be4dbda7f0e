"""A piece of the manual model and its counterpart, run by themselves and judged."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from torch import Tensor

from compare.blame.finding import Fault
from compare.blame.layer_evidence import Graphs, evidence
from compare.blame.piece import Piece
from compare.blame.residual import residual
from compare.diagnosis import diagnose
from compare.diagnosis.evidence import Evidence
from compare.diagnosis.mistake import Diagnosis, Mistake
from compare.trial import past_engine
from compare.trial.case import Case
from compare.trial.cotangents import feed, makers
from compare.trial.derived import ONE_SAMPLE, frozen, kinds
from compare.trial.errors import said
from compare.trial.given import GIVEN, Given
from compare.trial.key import Key, Kind
from compare.trial.kink_places import kink_places
from compare.trial.pairing import Pairing
from compare.trial.side_effects import Overwritten, written_over, written_over_by_the_next_call
from compare.trial.trial import Trial, is_slow, pairs, run, without_slow
from compare.verdict.excuses import excused
from compare.verdict.judge import (
    BUG,
    LESS_ACCURATE,
    NO_REFERENCE,
    NO_SUBGRADIENT,
    NO_TRUTH,
    SUBGRADIENT,
    Row,
    less_accurate,
)
from compare.verdict.judging import judge_trials

INCOMING = "received"  # the gradient that the layer really receives

#: What is said of a layer that has not been declared to be one.
IF_INTENDED = "; if that is intended, declare the layer as a surrogate"

# Trials in which a gradient came out right, shown together with those in which it is wrong.
_RIGHT_ONES = 4


@dataclass
class Judged:
    """What came out: a row for each gradient, the first wrong one or else the first.

    No rows at all: it could not be run on its own, and ``remark`` says why.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    remark: str = ""
    trials: int = 0  # inputs and incoming gradients that it was run under


def judge_piece(piece: Piece, seed: int, strict: bool) -> Judged:
    """Run the piece under all kinds of inputs and incoming gradients."""
    judged = Judged(remark="" if piece.calls else "the reference does not run it")
    for given, incoming in piece.calls:
        reference = piece.sides.reference
        derived = _derived(given, reference, seed) if piece.derive else [given]
        try:
            asked_on = without_slow(derived, reference)
            trials = [t for kind in asked_on for t in _trials(piece, kind, incoming, seed)]
        except Exception as error:  # of the reference's: manual's are in the trials
            judged.remark = f"could not be run on its own: {said(error)}"
            continue
        judged.trials += len(trials)
        results = judge_trials(trials, piece.sides.pairing)
        results = excused(results, piece.sides, strict=strict)
        for row in (row for _, rows in results for row in rows):
            known = judged.rows.get(row.name)
            if known is None or _rank(row) > _rank(known):
                judged.rows[row.name] = row
        for fault in _faults(piece, results, seed):
            judged.faults.setdefault(fault.gradient, fault)
        raised = [f.diagnosis.mistake is Mistake.RAISED for f in judged.faults.values()]
        shown = _where_writing_shows(trials)
        _note_side_effects(judged, piece, shown, seed, alone=all(raised))
    return judged


def _derived(given: Given, reference: Case, seed: int) -> Iterator[Given]:
    places: list[Tensor | None] = []
    if not is_slow(given, reference):
        with suppress(Exception):  # it may take no other numbers than its own
            places = kink_places(given, reference, seed)
    yield from kinds(given, reference.model, seed, places)
    yield from frozen(given, reference.model)


def _where_writing_shows(trials: Sequence[Trial]) -> list[Trial]:
    """As given, with an incoming gradient in another layout, for one sample, in the other mode."""
    shown: dict[str, Trial] = {}
    for trial in trials[1:]:
        if trial.cotangent == "transposed":
            shown.setdefault(trial.cotangent, trial)
        elif trial.given.kind == ONE_SAMPLE or trial.given.training is not None:
            shown.setdefault(trial.given.kind, trial)
    return [trials[0], *shown.values()]


def _note_side_effects(
    judged: Judged, piece: Piece, trials: Sequence[Trial], seed: int, *, alone: bool
) -> None:
    """What manual writes over and the reference does not, and what autograd summed up for it.

    Where gradients are wrong (not ``alone``), it is what explains those that nothing else does.
    """
    manual, reference = piece.sides.manual, piece.sides.reference
    theirs: dict[str, Fault] = {}
    for trial in trials:
        with suppress(Exception):  # a backward that cannot be run like that has been judged
            first = trial is trials[0]
            found = _written_over(manual, trial, again=first)
            usual = found and {w.what for w in _written_over(reference, trial, again=first)}
            for what, sentence, refused in found:
                if what in usual or what in theirs:
                    continue
                if refused:
                    judged.remark = judged.remark or sentence
                else:
                    said = Diagnosis(Mistake.WRITTEN_OVER, sentence)
                    row = Row(what, Kind.INPUT, BUG, reason=sentence, cotangent=trial.cotangent)
                    theirs[what] = Fault(what, said, row, trial.given.kind, seed)
    if theirs and alone:
        judged.faults = theirs  # that it raised is what became of it
    elif theirs:
        why = next(iter(theirs.values())).diagnosis
        judged.faults = theirs | {
            gradient: replace(fault, diagnosis=why)
            if fault.diagnosis.mistake is Mistake.UNKNOWN
            else fault
            for gradient, fault in judged.faults.items()
        }
    if not alone:
        return
    remarks = past_engine.summed_up(manual, trials[0].given, trials[0].fed_in)
    judged.remark = judged.remark or "; ".join(remarks)


def _written_over(case: Case, trial: Trial, *, again: bool) -> list[Overwritten]:
    found = written_over(case, trial.given, trial.fed_in)
    if again and not found:
        found = written_over_by_the_next_call(case, trial.given, trial.fed_in)
    return found


def _rank(row: Row) -> int:
    """How much a row has to tell."""
    return 2 if not row.passed else 1 if row.verdict in (SUBGRADIENT, LESS_ACCURATE) else 0


def _trials(piece: Piece, given: Given, incoming: Sequence[Tensor], seed: int) -> list[Trial]:
    """What is given under all incoming gradients, a derived input under one or two."""
    try:
        outputs = piece.sides.reference.outputs(given)
        made = {name: feed(maker, outputs, seed) for name, maker in makers(outputs).items()}
        if given.kind == GIVEN:
            fits = [x.shape for x in incoming] == [x.shape for x in outputs]
            fed_in = {INCOMING: list(incoming), **made} if fits else made
        elif all(bool(x.isfinite().all()) for x in outputs):
            fed_in = {name: made[name] for name in ("one", "random") if name in made}
        else:
            fed_in = {}
        trials = run(piece.sides, given, fed_in)
        return [t for t in trials if not t.refused]
    except Exception:
        if given.kind == GIVEN:
            raise
        return []  # not a kind of input that the reference takes


def _faults(
    piece: Piece, results: Sequence[tuple[Trial, Sequence[Row]]], seed: int
) -> Iterator[Fault]:
    """One for each gradient that is wrong, or for the output."""
    wrong: dict[Key, list[tuple[Trial, Row]]] = {}
    for trial, rows in results:
        # A gradient of another function is not the reference's to judge: the forward comes first.
        # Where the reference is NaN nobody knows what is right: the whole says so, no layer is to
        # blame.
        bad = [row for row in rows if not row.passed and row.verdict != NO_TRUTH]
        for row in [row for row in bad if row.kind == Kind.OUTPUT] or bad:
            assert row.key
            wrong.setdefault(row.key, []).append((trial, row))
    outputs = [key for key in wrong if key.kind is Kind.OUTPUT]
    if any(wrong[key][0][0].given.kind == GIVEN for key in outputs):
        wrong = {key: wrong[key] for key in outputs}
    graphs: Graphs = {}
    known: dict[int, Evidence] = {}  # by the trial's id
    for key, seen in wrong.items():
        trial, row = seen[0]
        if trial.raised:
            raised = _raised(trial)
            yield Fault(row.name, raised, row, trial.given.kind, seed, error=trial.raised)
            return  # and nothing else can be told
        trials = [t for t, _ in seen if not t.raised]
        # One without a row has not been judged: far out only numbers that are none are wrong.
        right = [t for t, r in results if r and not t.raised and all(t is not s for s in trials)]
        derived = {t.given.kind: t for t in right if t.given.kind != GIVEN}
        trials += [*right[:_RIGHT_ONES], *derived.values()]
        found_in = {id(t): rows for t, rows in results}
        for t in trials:
            if id(t) not in known:
                known[id(t)] = evidence(t, found_in[id(t)], piece.sides, piece.label, graphs)
        shown = [known[id(t)] for t in trials]
        found, true = _tensors(trial, piece.sides.pairing, key)
        picture = residual(found, true, row)
        diagnosis = diagnose(key, shown, len([t for t, _ in seen if not t.raised]))
        if row.reason == NO_REFERENCE:
            diagnosis = Diagnosis(
                Mistake.NO_REFERENCE,
                f"the reference has no gradient here and manual has one{IF_INTENDED}",
            )
        if all(row.verdict == LESS_ACCURATE for _, row in seen):
            diagnosis = Diagnosis(Mistake.ROUNDING, less_accurate(row))
        if all(row.reason == NO_SUBGRADIENT for _, row in seen):
            diagnosis = Diagnosis(
                Mistake.NO_SUBGRADIENT,
                "at kinks and ties it is neither of the one-sided gradients, nor a mixture of them",
            )
        if key.kind is Kind.OUTPUT and _gradients_are_right(results):
            told = f"{diagnosis.sentence}; its backward is the derivative of the correct forward"
            diagnosis = replace(diagnosis, sentence=told)
        yield Fault(row.name, diagnosis, row, trial.given.kind, seed, picture)


def _gradients_are_right(results: Sequence[tuple[Trial, Sequence[Row]]]) -> bool:
    """All of them, and not because they are all zero."""
    rows = [row for _, found in results for row in found if row.kind != Kind.OUTPUT]
    return all(row.passed for row in rows) and any(row.scale > 0 for row in rows)


def _raised(trial: Trial) -> Diagnosis:
    assert trial.raised is not None
    return Diagnosis(Mistake.RAISED, f"it raised {said(trial.raised)}")


def _tensors(trial: Trial, pairing: Pairing, key: Key) -> tuple[Tensor | None, Tensor | None]:
    """Manual's and the true one."""
    true = {item.key: item for item in trial.truth}
    for found, expected in pairs(trial, pairing):
        if found.key == key:
            return found.tensor, true[expected.key].tensor
    return None, None
