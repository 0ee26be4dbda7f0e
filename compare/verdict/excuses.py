"""What a difference can be besides a fault: every excuse, applied once to what was judged.

another subgradient             at a kink, in the convex hull of the gradients around it
less accurate than the          the truth itself moves as much when numbers are rounded; or, where
reference                       half of float32's digits are right, or inputs are pushed into
                                saturation, in float64 the two agree
rounding                        of a whole model whose layers are right: in float64 they agree
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from compare.trial.derived import SATURATING
from compare.trial.key import Key, Kind
from compare.trial.sides import Sides
from compare.trial.trial import Trial, pairs
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
    smooth: dict[str, bool] = {}  # the kinds of input: whether the reference has no kinks there
    sizes = Sizes([trial for trial, _ in results])
    judged = []
    for trial, rows in results:
        wrong = [r for r in rows if r.verdict == BUG and r.allowed is not None]
        if wrong and not trial.raised:
            kinks = None
            known = smooth.get(trial.given.kind)
            if not known:
                kinks = Kinks.around(trial, sides.reference, sure=known is False)
                smooth.setdefault(trial.given.kind, kinks is None)
            better = {row.key: row for row in _explained(trial, wrong, sides, kinks, strict)}
            rows = [better.get(row.key, row) for row in rows]
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
    gradients = {
        expected.key: found.tensor.double()
        for found, expected in items.values()
        if found.tensor is not None and expected.kind is not Kind.OUTPUT
    }
    longer: Kinks | None = None
    for row in wrong:
        assert row.key
        found, expected = items[row.key]
        t, a, m = truth[expected.key], expected.tensor, found.tensor
        if t is None or a is None or m is None:
            continue
        one = _Gradient(row, expected.key, m, a, t, moved.get(expected.key))
        if row.kind == Kind.OUTPUT or kinks is None:
            known = one.explained(None, gradients, strict)
        else:
            known = one.explained(kinks, gradients, strict)
            if one.is_wrong_at(kinks) and not strict and (known is None or not known.passed):
                longer = longer or kinks.looked_at_longer(trial, sides.reference)
                known = one.explained(longer, gradients, strict)
        if known is not None:
            yield known


@dataclass(frozen=True)
class _Gradient:
    """One that is wrong: manual's, the reference's, the truth, and how far the truth moves."""

    row: Row
    key: Key  # the reference's
    manual: Tensor
    reference: Tensor
    truth: Tensor
    moved: Tensor | None

    @property
    def allowed(self) -> float:
        return self.row.allowed or 0.0

    @property
    def error(self) -> Tensor:
        return (self.manual.double() - self.truth).abs()

    @property
    def right(self) -> Tensor:
        return (self.error <= self.allowed) | (self.manual == self.reference)

    def is_wrong_at(self, kinks: Kinks) -> bool:
        return bool((kinks.at(self.key, self.allowed) & ~self.right).any())

    def explained(
        self, kinks: Kinks | None, gradients: dict[Key, Tensor], strict: bool
    ) -> Row | None:
        """The row as it is to be called; None where nothing accounts for it."""
        at_kink = torch.zeros_like(self.truth, dtype=torch.bool)
        if kinks:
            at_kink = kinks.at(self.key, self.allowed)
        smooth = self.truth.new_zeros(0) if self.moved is None else self.moved[~at_kink]
        conditioning = _TIMES * float(smooth.max()) if smooth.numel() else 0.0
        near = self.right | (~at_kink & (self.error <= self.allowed + conditioning))
        if bool(near.all()):
            return replace(
                self.row,
                verdict=LESS_ACCURATE,
                conditioning=conditioning,
                strict=strict,
                reason="its inputs are ill-conditioned there",
            )
        if kinks is None or strict or not bool((near | at_kink).all()):
            return None
        m, allowed = self.manual.double(), self.allowed + conditioning
        between = at_kink & kinks.between(self.key, m, allowed)
        if (
            bool((near | between).all())
            and kinks.keeps_sums(self.key, m, allowed)
            and kinks.keeps_balance(self.key, m, gradients, allowed)
        ):
            reason = "the reference is not differentiable there"
            return replace(self.row, verdict=SUBGRADIENT, reason=reason)
        return replace(self.row, reason=NO_SUBGRADIENT)


def _in_float64(
    trial: Trial, rows: list[Row], sides: Sides, sizes: Sizes, *, strict: bool, whole: bool
) -> list[Row]:
    """What is left wrong in its own precision, where manual in float64 is right."""
    wrong = [row for row in rows if row.verdict == BUG and row.reason != NOT_FINITE]
    if not (whole or trial.given.kind == SATURATING):
        wrong = [row for row in wrong if _half_the_digits_are_right(row, trial)]
    if not wrong:
        return rows
    right = _right_in_float64(trial, rows, sides, sizes)
    if whole:
        # A ReLU whose input is 0 but for rounding opens on one side and stays shut on the other,
        # and all behind it differs.
        reason = "amplified by later layers: in float64 the two agree"
        verdict = ROUNDING
    else:
        verdict, reason = LESS_ACCURATE, "it is correct in float64"
    return [
        replace(r, verdict=verdict, reason=reason, strict=strict)
        if r in wrong and r.key in right
        else r
        for r in rows
    ]


def _half_the_digits_are_right(row: Row, trial: Trial) -> bool:
    """In float32, that is: half precision adds up in float32, and has no digits to lose."""
    dtype = next(i.tensor.dtype for i in trial.reference if i.tensor is not None)
    half = math.sqrt(torch.finfo(torch.float32).eps) * row.scale
    return dtype == torch.float32 and row.error_manual is not None and row.error_manual <= half


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
