"""From backward passes of two models to a row for each tensor."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from compare.capture import Item
from compare.verdict import NO_TRUTH, Row, judge, scale_of


@dataclass(frozen=True)
class Trial:
    """What manual, reference and truth gave for one incoming gradient."""

    cotangent: str
    size: float  # of the incoming gradient: max |·|
    manual: Sequence[Item]
    reference: Sequence[Item]
    truth: Sequence[Item]


def judge_trials(trials: Sequence[Trial]) -> list[list[Row]]:
    """For each trial one row for each tensor that manual and reference should have in common.

    A backward is linear in what it is fed. So the largest magnitude that a tensor has under any of
    the cotangents, brought to this one's size, is the size of the terms that it is computed from,
    also where these cancel: softmax answers an incoming gradient that is the same for all classes
    with roundings around 0, and these are no fault.
    """
    sizes: dict[str, float] = {}  # of each gradient, for an incoming one of size 1
    for trial in (trial for trial in trials if trial.size > 0):
        dtypes = {i.key: i.tensor.dtype for i in trial.reference if i.tensor is not None}
        for item in trial.truth:
            if item.kind != "output" and item.tensor is not None and item.key in dtypes:
                size = scale_of(item.tensor, dtypes[item.key]) / trial.size
                sizes[item.key] = max(size, sizes.get(item.key, 0.0))
    return [_rows(trial, sizes) for trial in trials]


def _rows(trial: Trial, sizes: dict[str, float]) -> list[Row]:
    truth = {item.key: item for item in trial.truth}
    rows = []
    for found, expected in _pairs(trial.manual, trial.reference):
        key = expected.key
        true = truth.get(key)
        if expected.kind == "delta" and not _same_place(found, expected, true):
            continue
        row = judge(
            found.name,
            expected.kind,
            found.tensor,
            expected.tensor,
            true.tensor if true else None,
            scale=sizes[key] * trial.size if key in sizes else None,
        )
        rows.append(replace(row, source=found.source, cotangent=trial.cotangent))
    return rows


def _same_place(found: Item, expected: Item, true: Item | None) -> bool:
    """Whether both layers give out the same numbers: else their δ are no gradients of one thing.

    A Linear with a ReLU fused into it has the name of the reference's Linear and gives out what the
    reference's ReLU does. Where a forward is wrong, the output's own row says so.
    """
    value = true.value if true else None
    row = judge(expected.name, "output", found.value, expected.value, value)
    return row.passed or row.verdict == NO_TRUTH


def _pairs(manual: Sequence[Item], reference: Sequence[Item]) -> list[tuple[Item, Item]]:
    """What is to be compared, in the reference's backward order.

    A layer that only one side has (a fused one, say) has no δ in common, and all around it is
    compared nevertheless. Where neither side has a gradient, there is nothing to compare.
    """
    ours = {item.key: item for item in manual}
    pairs = []
    for expected in reference:
        found = ours.get(expected.key)
        if found is None and expected.kind != "delta":
            found = replace(expected, tensor=None)
        if found is not None and not (found.tensor is None and expected.tensor is None):
            pairs.append((found, expected))
    return pairs
