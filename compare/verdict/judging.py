"""Trials, judged tensor by tensor."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from compare.trial.derived import FAR_OUT, WITHOUT_GRADIENT
from compare.trial.errors import ComparisonError, said
from compare.trial.given import GIVEN
from compare.trial.key import Key, Kind
from compare.trial.pairing import Pairing
from compare.trial.trial import Trial, pairs
from compare.trial.watch import Item
from compare.verdict.judge import BUG, EXACT, NO_TRUTH, Row, judge, measure, scale_of

#: Each trial, and what was found in it.
Results = list[tuple[Trial, list[Row]]]

# Below this share of the layer's other gradients a truth in float64 is a zero with roundings.
_ZERO = 1e-12


def judge_trials(trials: Iterable[Trial], pairing: Pairing) -> Results:
    """For each trial one row for each tensor that manual and reference should have in common.

    A backward is linear in what it is fed. So the largest magnitude that a tensor has under any of
    the cotangents, brought to this one's size, is the size of the terms that it is computed from,
    also where these cancel: softmax answers an incoming gradient that is the same for all classes
    with roundings around 0, and these are no fault. On inputs derived from what was given, such as
    saturating ones, where all terms may vanish, the size on what was given counts as well.

    Raises:
        ComparisonError: There is no truth to judge what was given by; see ``case.truth``. A derived
            input without one is left out.
    """
    trials = list(trials)
    sizes = GradientSizes(trials)
    judged = []
    for trial in trials:
        try:
            judged.append((trial, judge_trial(trial, sizes, pairing)))
        except ComparisonError:
            if trial.given.kind == GIVEN:
                raise
    return judged


class GradientSizes:
    """Of each gradient, on each kind of input, for an incoming one of size 1."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._trials = trials
        self._of_kind: dict[str, dict[Key, float]] = {}

    def of(self, key: Key, trial: Trial) -> float | None:
        """In this trial; None where the truth has none."""
        sizes = [self._of(kind).get(key) for kind in {GIVEN, trial.given.kind}]
        known = [size for size in sizes if size is not None]
        return max(known) * trial.size if known else None

    def _of(self, kind: str) -> dict[Key, float]:
        if kind not in self._of_kind:
            self._of_kind[kind] = _sizes(t for t in self._trials if t.given.kind == kind)
        return self._of_kind[kind]


def _sizes(trials: Iterable[Trial]) -> dict[Key, float]:
    """Of each gradient, for an incoming one of size 1.

    One that is zero whatever comes in has terms that cancel, and these are as large as the layer's
    other gradients: the bias of an attention's keys, which softmax takes out again.
    """
    sizes: dict[Key, float] = {}
    groups: dict[str | Key, list[Key]] = {}
    for trial in trials:
        if trial.size == 0:
            continue
        dtypes = {i.key: i.tensor.dtype for i in trial.reference if i.tensor is not None}
        for item in trial.truth:
            key = item.key
            if key.kind is not Kind.OUTPUT and item.tensor is not None and key in dtypes:
                size = scale_of(item.tensor, dtypes[key]) / trial.size
                if key not in sizes:
                    groups.setdefault(key if key.kind is Kind.INPUT else key.layer, []).append(key)
                sizes[key] = max(size, sizes.get(key, 0.0))
    for keys in groups.values():
        largest = max(sizes[key] for key in keys)
        sizes |= {key: largest for key in keys if 0 < sizes[key] <= _ZERO * largest}
    return sizes


def judge_trial(trial: Trial, sizes: GradientSizes, pairing: Pairing) -> list[Row]:
    """One row for each tensor; ``sizes`` are those of all trials that this one is among."""
    return list(_rows(trial, sizes, pairing))


def _rows(trial: Trial, sizes: GradientSizes, pairing: Pairing) -> Iterator[Row]:
    far_out = trial.given.kind == FAR_OUT and not trial.raised
    if far_out and any(
        expected.kind is Kind.OUTPUT and _lost_it(found, expected)
        for found, expected in pairs(trial, pairing)
    ):
        return  # its forward overflows, too: no gradient of that is asked
    for found, expected in pairs(trial, pairing):
        if expected.kind is Kind.DELTA and not same_place(found, expected, trial):
            continue
        if trial.given.kind == WITHOUT_GRADIENT and found.unrecorded and found.tensor is None:
            continue  # it can be had only where an input needs one, as in reentrant checkpointing
        if far_out and not _lost_it(found, expected):
            continue  # nobody is asked for more than a number there
        row = _row(found, expected, trial, sizes)
        if trial.given.kind != GIVEN and row.verdict == NO_TRUTH:
            continue  # nobody claimed that the reference has a gradient there
        if trial.raised:
            row = replace(row, verdict=BUG, reason=f"manual raised {said(trial.raised)}")
        yield replace(
            row,
            key=found.key,
            taken_by=found.taken_by,
            source=found.source,
            cotangent=trial.cotangent,
            input=trial.given.kind,
        )


def _row(found: Item, expected: Item, trial: Trial, sizes: GradientSizes) -> Row:
    row = measure(found.name, expected.kind, found.tensor, expected.tensor)
    m, a = found.tensor, expected.tensor
    if row.verdict or m is None or a is None:
        return row
    if row.exact and not a.isnan().any():  # by far the most common case, and the cheapest
        return replace(row, verdict=EXACT, scale=scale_of(a, a.dtype))
    true = next(item.tensor for item in trial.truth if item.key == expected.key)
    scale = sizes.of(expected.key, trial)
    return judge(found.name, expected.kind, m, a, true, scale=scale)


def _lost_it(found: Item, expected: Item) -> bool:
    """Whether manual is infinite or NaN where the reference is a number all over."""
    m, a = found.tensor, expected.tensor
    if m is None or a is None or m.shape != a.shape:
        return False
    return bool(a.isfinite().all()) and not bool(m.isfinite().all())


def same_place(found: Item, expected: Item, trial: Trial) -> bool:
    """Whether both layers give out the same numbers: else their δ are no gradients of one thing.

    A Linear with a ReLU fused into it has the name of the reference's Linear and gives out what the
    reference's ReLU does. Where a forward is wrong, the output's own row says so.
    """
    row = measure(expected.name, Kind.OUTPUT, found.value, expected.value)
    if row.verdict or row.exact:
        return row.exact
    value = next((item.value for item in trial.truth if item.key == expected.key), None)
    if value is None or expected.value is None or value.shape != expected.value.shape:
        return False  # in float64 the reference takes another way, and more or fewer steps
    row = judge(expected.name, Kind.OUTPUT, found.value, expected.value, value)
    return row.passed or row.verdict == NO_TRUTH
