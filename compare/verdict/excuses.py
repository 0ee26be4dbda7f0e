"""What a difference can be besides a fault: every excuse, applied once to what was judged.

another subgradient             at a kink, in the convex hull of the gradients around it
less accurate than the          the truth itself moves as much when numbers are rounded; or float16
reference                       does not reach far enough; or, where half of float32's digits are
                                right, or inputs are pushed into saturation or so large or small
                                that squares, or 1 beside them, are lost, in float64 they agree
rounding                        of a whole model whose layers are right: in float64 they agree
reference is NaN                or infinite, and all around, in float64 too: it overflows there, and
                                no excuse is made, but nobody knows what is right
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from compare.trial.derived import FAR_OUT, SATURATING
from compare.trial.given import GIVEN
from compare.trial.key import Key, Kind
from compare.trial.sides import Sides
from compare.trial.trial import Trial, pairs
from compare.verdict.conditioning import movement
from compare.verdict.judge import (
    BUG,
    IN_FLOAT64,
    LESS_ACCURATE,
    NO_SUBGRADIENT,
    NOT_FINITE,
    OUT_OF_RANGE,
    ROUNDING,
    SUBGRADIENT,
    Row,
)
from compare.verdict.judging import GradientSizes, Results, judge_trial
from compare.verdict.kinks import Kinks
from compare.verdict.overflow import where_the_reference_overflows
from compare.verdict.range import is_ordinary, within_range

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
    sizes = GradientSizes([trial for trial, _ in results])
    judged = []
    for trial, rows in results:
        wrong = [r for r in rows if r.verdict == BUG and r.allowed is not None]
        if wrong and not trial.raised:
            unknown = where_the_reference_overflows(trial, wrong, sides)
            rows = [unknown.get(row.key, row) for row in rows]
            if trial.given.kind != GIVEN:
                rows = [row for row in rows if row.key not in unknown]
            wrong = [row for row in wrong if row.key not in unknown]
        if wrong and not trial.raised:
            kinks = None
            known = smooth.get(trial.given.kind)
            if not known:
                kinks = Kinks.around(trial, sides.reference, sure=known is False)
                smooth.setdefault(trial.given.kind, kinks is None)
            ranged = within_range(trial, sides)
            if ranged:
                right = _right_in_float64(trial, wrong, sides, sizes)
                ranged = {key: x for key, x in ranged.items() if key in right}
            better = {
                row.key: row for row in _explained(trial, wrong, sides, kinks, ranged, strict)
            }
            rows = [better.get(row.key, row) for row in rows]
            rows = _in_float64(trial, rows, sides, sizes, strict=strict, whole=whole)
        judged.append((trial, rows))
    return judged


def _explained(
    trial: Trial,
    wrong: list[Row],
    sides: Sides,
    kinks: Kinks | None,
    ranged: dict[Key, Tensor],
    strict: bool,
) -> Iterator[Row]:
    """Those of the rows that a kink, the conditioning or float16's range accounts for."""
    dtype = next(i.tensor.dtype for i in trial.reference if i.tensor is not None)
    truth = {item.key: item.tensor for item in trial.truth}
    items = {found.key: (found, expected) for found, expected in pairs(trial, sides.pairing)}
    errors = {items[row.key][1].key: row.error_manual or 0.0 for row in wrong if row.key}
    moved = _moved(trial, sides, dtype, None if kinks else errors)
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
        one = _Gradient(row, expected.key, m, a, t, moved.get(expected.key), ranged.get(row.key))
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
    """One that is wrong: manual's, the reference's, the truth, and how far the truth moves.

    ``ranged`` is manual's in float64 with the range of float16, where that is an excuse.
    """

    row: Row
    key: Key  # the reference's
    manual: Tensor
    reference: Tensor
    truth: Tensor
    moved: Tensor | None
    ranged: Tensor | None

    @property
    def allowed(self) -> float:
        return self.row.allowed or 0.0

    @property
    def error(self) -> Tensor:
        return (self.manual.double() - self.truth).abs()

    @property
    def right(self) -> Tensor:
        return (self.error <= self.allowed) | (self.manual == self.reference)

    def is_ranged(self, conditioning: float) -> Tensor:
        """Where the range makes a difference, and manual gave what it makes of it."""
        assert self.ranged is not None
        m, within = self.manual.double(), self.ranged
        same = (m - within).abs() <= self.allowed + conditioning
        return (within != self.truth) & (same | (~m.isfinite() & ~within.isfinite()))

    def is_wrong_at(self, kinks: Kinks) -> bool:
        return bool((self.at(kinks) & ~self.right).any())

    def at(self, kinks: Kinks) -> Tensor:
        """Where there is a kink, not only what float64 leaves where terms cancel."""
        allowed = torch.full_like(self.truth, self.allowed)
        if self.moved is not None:
            eps = torch.finfo(torch.float64).eps / torch.finfo(self.reference.dtype).eps
            # A rounding that falls to the other side of a kink moves as far as the kink jumps. In
            # float64 it is no kink where far more than that moves.
            noise = _TIMES * eps if eps < 1 else 1 / _TIMES
            allowed = torch.maximum(allowed, noise * self.moved)
        return kinks.at(self.key, allowed)

    def explained(
        self, kinks: Kinks | None, gradients: dict[Key, Tensor], strict: bool
    ) -> Row | None:
        """The row as it is to be called; None where nothing accounts for it."""
        at_kink = torch.zeros_like(self.truth, dtype=torch.bool)
        if kinks:
            at_kink = self.at(kinks)
        smooth = self.truth.new_zeros(0) if self.moved is None else self.moved[~at_kink]
        conditioning = _TIMES * float(smooth.max()) if smooth.numel() else 0.0
        near = self.right | (~at_kink & (self.error <= self.allowed + conditioning))
        reason = "its inputs are ill-conditioned there"
        if not bool(near.all()) and self.ranged is not None:
            near, reason = near | self.is_ranged(conditioning), OUT_OF_RANGE
        if bool(near.all()):
            return replace(
                self.row,
                verdict=LESS_ACCURATE,
                conditioning=conditioning,
                strict=strict,
                reason=reason,
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
    trial: Trial, rows: list[Row], sides: Sides, sizes: GradientSizes, *, strict: bool, whole: bool
) -> list[Row]:
    """What is left wrong in its own precision, where manual in float64 is right."""
    wrong = [row for row in rows if row.verdict == BUG]
    if not whole and is_ordinary(trial.given):
        wrong = [row for row in wrong if row.reason != NOT_FINITE]
        if trial.given.kind != SATURATING:
            wrong = [row for row in wrong if _half_the_digits_are_right(row, trial)]
    if not wrong or trial.given.kind == FAR_OUT:
        return rows
    right = _right_in_float64(trial, rows, sides, sizes)
    # A ReLU whose input is 0 but for rounding opens on one side and stays shut on the other, and
    # all behind it differs.
    behind = "amplified by later layers: in float64 the two agree"

    def called(row: Row) -> Row:
        if row not in wrong or row.key not in right:
            return row
        if whole and row.reason != NOT_FINITE:
            return replace(row, verdict=ROUNDING, reason=behind)
        return replace(row, verdict=LESS_ACCURATE, reason=IN_FLOAT64, strict=strict)

    return [called(row) for row in rows]


def _half_the_digits_are_right(row: Row, trial: Trial) -> bool:
    """In float32, that is: half precision adds up in float32, and has no digits to lose."""
    dtype = next(i.tensor.dtype for i in trial.reference if i.tensor is not None)
    half = math.sqrt(torch.finfo(torch.float32).eps) * row.scale
    return dtype == torch.float32 and row.error_manual is not None and row.error_manual <= half


def _right_in_float64(
    trial: Trial, rows: Sequence[Row], sides: Sides, sizes: GradientSizes
) -> set[Key | None]:
    """The tensors whose errors, when manual computes in float64, shrink as roundings do.

    What is infinite or NaN has no error that could shrink: half the digits are to be right then, or
    what rounding leaves of them.
    """
    if trial.is_float64:
        return set()
    true, fed_in = trial.truth, [c.double() for c in trial.fed_in]
    try:
        items, _ = sides.manual.gradients(trial.given, fed_in, torch.float64)
    except Exception:
        return set()
    exact = replace(trial, manual=items, reference=true, in_float64=lambda: true, fed_in=fed_in)
    dtype = next(i.tensor.dtype for i in trial.reference if i.tensor is not None)
    eps = torch.finfo(torch.float64).eps
    shrink = _SHRINK * eps / torch.finfo(dtype).eps
    most = {row.key: shrink * max(row.error_manual or 0.0, row.allowed or 0.0) for row in rows}
    if lost := [row for row in rows if row.key and row.reason == NOT_FINITE]:
        moved = _moved(exact, sides, torch.float64)
        for row in lost:
            assert row.key
            noise = moved.get(sides.pairing.key(row.key))
            least = float(noise.max()) if noise is not None and noise.numel() else 0.0
            most[row.key] = max(math.sqrt(eps) * row.scale, _TIMES * least)
    return {
        row.key
        for row in judge_trial(exact, sizes, sides.pairing)
        if row.passed
        or (
            row.error_manual is not None
            and row.reason != NOT_FINITE
            and row.error_manual <= most.get(row.key, 0.0)
        )
    }


def _moved(
    trial: Trial, sides: Sides, dtype: torch.dtype, errors: dict[Key, float] | None = None
) -> dict[Key, Tensor]:
    """``movement``, or nothing where an operation cannot be watched."""
    try:
        return movement(trial, sides.reference, dtype, errors)
    except Exception:
        return {}
