"""What a difference can be besides a fault: every excuse, applied once to what was judged.

another subgradient             at a kink, in the convex hull of the gradients around it
less accurate than the          the truth itself moves as much when numbers are rounded; or, on
reference                       inputs pushed into saturation, in float64 the two agree
rounding                        of a whole model whose layers are right: in float64 they agree
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from compare.trial.derived import SATURATING
from compare.trial.key import Key, Kind
from compare.trial.sides import Sides
from compare.trial.trial import Trial, pairs
from compare.trial.watch import Item
from compare.verdict.conditioning import movement
from compare.verdict.judge import (
    BUG,
    LESS_ACCURATE,
    NO_SUBGRADIENT,
    NOT_FINITE,
    ROUNDING,
    SUBGRADIENT,
    Row,
)
from compare.verdict.judging import Results, Sizes, judge_trial
from compare.verdict.kinks import Kinks

# How much further from the truth than the truth moves: a run of ``movement`` rounds each number
# once, and a right backward may round as often in more places. 6.7 was the largest over attentions
# written in four ways, at scores of 10³.
_TIMES = 8.0

# How much more slowly than eps an error may shrink from one precision to another: it is a sum of
# roundings that fall otherwise each time.
_SHRINK = 64.0


def excused(results: Results, sides: Sides, *, strict: bool, whole: bool = False) -> Results:
    """The judged trials, with what is no fault called by its name.

    Args:
        results: Trials and their rows.
        sides: Who is to be asked.
        strict: Whether at a kink only the reference's subgradient is right; what is less accurate
            is called so, and does not pass.
        whole: Whether they are of a whole model, whose layers are right by themselves.
    """
    smooth: set[str] = set()  # the kinds of input at which the reference has no kinks
    sizes = Sizes([trial for trial, _ in results])
    judged = []
    for trial, rows in results:
        wrong = [r for r in rows if r.verdict == BUG and r.allowed is not None]
        if wrong and not trial.raised:
            kinks = None
            if trial.given.kind not in smooth:
                kinks = Kinks.around(trial, sides.reference)
                if kinks is None:
                    smooth.add(trial.given.kind)
            known = {row.key: row for row in _explained(trial, wrong, sides, kinks, strict)}
            rows = [known.get(row.key, row) for row in rows]
            rows = _in_float64(trial, rows, sides, sizes, strict=strict, whole=whole)
        judged.append((trial, rows))
    return judged


def _explained(
    trial: Trial, wrong: list[Row], sides: Sides, kinks: Kinks | None, strict: bool
) -> Iterator[Row]:
    """Those of the rows that a kink or the conditioning accounts for."""
    dtype = next(i.tensor.dtype for i in trial.reference if i.tensor is not None)
    try:
        moved = movement(trial, sides.reference, dtype)
    except Exception:  # an operation that cannot be watched
        moved = {}
    truth = {item.key: item.tensor for item in trial.truth}
    items = {found.key: (found, expected) for found, expected in pairs(trial, sides.pairing)}
    for row in wrong:
        assert row.key
        assert row.allowed is not None
        found, expected = items[row.key]
        t, a, m = truth[expected.key], expected.tensor, found.tensor
        if t is None or a is None or m is None:
            continue
        m = m.double()
        error = (m - t).abs()
        at_kink = torch.zeros_like(t, dtype=torch.bool)
        if kinks and row.kind != Kind.OUTPUT:
            at_kink = kinks.at(expected.key, row.allowed)
        smooth = moved[expected.key][~at_kink] if expected.key in moved else t.new_zeros(0)
        conditioning = _TIMES * float(smooth.max()) if smooth.numel() else 0.0
        right = (error <= row.allowed) | (m == a)
        near = right | (~at_kink & (error <= row.allowed + conditioning))
        if bool(near.all()):
            yield replace(
                row,
                verdict=LESS_ACCURATE,
                conditioning=conditioning,
                strict=strict,
                reason="its inputs are ill-conditioned there",
            )
        elif kinks and not strict and _is_subgradient(kinks, expected, m, near, at_kink, row):
            yield replace(
                row, verdict=SUBGRADIENT, reason="the reference is not differentiable there"
            )
        elif not strict and bool((near | at_kink).all()):
            yield replace(row, reason=NO_SUBGRADIENT)


def _is_subgradient(
    kinks: Kinks, expected: Item, m: Tensor, near: Tensor, at_kink: Tensor, row: Row
) -> bool:
    if row.kind == Kind.OUTPUT or row.allowed is None:
        return False
    between = at_kink & kinks.between(expected.key, m, row.allowed)
    return bool((near | between).all()) and kinks.keeps_sums(expected.key, m, row.allowed)


def _in_float64(
    trial: Trial, rows: list[Row], sides: Sides, sizes: Sizes, *, strict: bool, whole: bool
) -> list[Row]:
    """What is left wrong in its own precision, where manual in float64 is right."""
    wrong = [row for row in rows if row.verdict == BUG and row.reason != NOT_FINITE]
    if not wrong or not (whole or trial.given.kind == SATURATING):
        return rows
    right = _right_in_float64(trial, rows, sides, sizes)
    if whole:
        # A ReLU whose input is 0 but for rounding opens on one side and stays shut on the other,
        # and all behind it differs.
        reason = "made larger by the layers behind: in float64 the two agree"
        verdict = ROUNDING
    else:
        verdict, reason = LESS_ACCURATE, "in float64 it is right"
    return [
        replace(r, verdict=verdict, reason=reason, strict=strict)
        if r in wrong and r.key in right
        else r
        for r in rows
    ]


def _right_in_float64(
    trial: Trial, rows: Sequence[Row], sides: Sides, sizes: Sizes
) -> set[Key | None]:
    """The tensors whose errors, when manual computes in float64, shrink as roundings do."""
    if trial.is_float64:
        return set()
    true, fed_in = trial.truth, [c.double() for c in trial.fed_in]
    try:
        items, _ = sides.manual.gradients(trial.given, fed_in, torch.float64)
    except Exception:
        return set()
    exact = replace(trial, manual=items, reference=true, in_float64=lambda: true, fed_in=fed_in)
    dtype = next(i.tensor.dtype for i in trial.reference if i.tensor is not None)
    shrink = _SHRINK * torch.finfo(torch.float64).eps / torch.finfo(dtype).eps
    errors = {row.key: max(row.error_manual or 0.0, row.allowed or 0.0) for row in rows}
    return {
        row.key
        for row in judge_trial(exact, sizes, sides.pairing)
        if row.passed
        or (
            row.error_manual is not None
            and row.reason != NOT_FINITE
            and row.error_manual <= shrink * errors.get(row.key, 0.0)
        )
    }
