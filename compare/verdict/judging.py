"""Trials, judged tensor by tensor."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from compare.trial.errors import said
from compare.trial.given import GIVEN
from compare.trial.key import Key, Kind
from compare.trial.pairing import Pairing
from compare.trial.trial import Trial, pairs
from compare.trial.watch import Item
from compare.verdict.judge import BUG, NO_TRUTH, Row, judge, scale_of

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
    """
    trials = list(trials)
    usual = _sizes(t for t in trials if t.given.kind == GIVEN)
    judged = []
    for kind in dict.fromkeys(trial.given.kind for trial in trials):
        here = [trial for trial in trials if trial.given.kind == kind]
        sizes = dict(usual)
        for key, size in _sizes(here).items():
            sizes[key] = max(size, sizes.get(key, 0.0))
        judged += [(trial, _rows(trial, sizes, pairing)) for trial in here]
    return judged


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


def _rows(trial: Trial, sizes: Mapping[Key, float], pairing: Pairing) -> list[Row]:
    truth = {item.key: item for item in trial.truth}
    rows = []
    for found, expected in pairs(trial, pairing):
        true = truth.get(expected.key)
        if expected.kind is Kind.DELTA and not same_place(found, expected, true):
            continue
        row = judge(
            found.name,
            expected.kind,
            found.tensor,
            expected.tensor,
            true.tensor if true else None,
            scale=sizes[expected.key] * trial.size if expected.key in sizes else None,
        )
        if trial.given.kind != GIVEN and row.verdict == NO_TRUTH:
            continue  # nobody claimed that the reference has a gradient there
        if trial.raised:
            row = replace(row, verdict=BUG, reason=f"manual raised {said(trial.raised)}")
        rows.append(
            replace(
                row,
                key=found.key,
                taken_by=found.taken_by,
                source=found.source,
                cotangent=trial.cotangent,
                input=trial.given.kind,
            )
        )
    return rows


def same_place(found: Item, expected: Item, true: Item | None) -> bool:
    """Whether both layers give out the same numbers: else their δ are no gradients of one thing.

    A Linear with a ReLU fused into it has the name of the reference's Linear and gives out what the
    reference's ReLU does. Where a forward is wrong, the output's own row says so.
    """
    value = true.value if true else None
    row = judge(expected.name, Kind.OUTPUT, found.value, expected.value, value)
    return row.passed or row.verdict == NO_TRUTH
