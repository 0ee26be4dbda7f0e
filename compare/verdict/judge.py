"""One tensor against its reference: how far apart, and is that rounding or a fault.

Agreement in the same precision proves little: both sides can share a rounding, and where they
differ, the reference need not be the better one. So both are held against the truth t, the same
computation in float64 on the same values (m manual, a the reference, usually autograd):

    err(x) = max |x − t|        m passes where  |m − t| ≤ 2·err(a) + c·eps·scale

``scale`` is the size of the numbers in this tensor, max |t| unless the caller knows better; eps is
the spacing of the floats just above 1 in the tensor's dtype. There is no absolute tolerance:
multiply every gradient by 1e-20 and the verdict stays.

Why 2: two sums of the same terms in different order have errors of the same size, not the same
errors. Why c·eps·scale: err(a) is sometimes nearly 0 by luck, on tensors of few elements most of
all, and m must not be accused of the roundings that nobody can avoid.

* float16, bfloat16: c = 2. Sums are accumulated in float32, so only the last few roundings count,
  whatever the number of terms: at most 0.9 eps·scale in right backwards written differently, as
  long as the forwards round alike; else a ReLU near its kink takes another branch, and compare
  layer by layer. An accumulation in the tensor's own precision is a fault and exceeds this.
* float32: c = 8. It accumulates in itself: n terms added one by one lose about 0.3 √n eps·scale.
  3.2 was the largest over 128 terms; 8 is enough for 700.
* float64 has no better truth: t = a, and c = 4096, that is |m − a| ≤ 9.1e-13·scale. Up to a scale
  of 1e5 that is tighter than torch.testing's float64 tolerance, 1e-7 relative plus 1e-7 absolute.
* The smallest normal number bounds scale from below: underflow rounds in absolute steps of
  smallest_normal·eps, which is 1.4e-45 in float32.

* What rounds to no number of the dtype is infinite.

NaN is never agreement. Where the reference is NaN and so are m or the truth, the verdict is
``reference is NaN``, and it fails: nothing vouches for m there, not even the same NaN. The same
where reference and truth are infinite because they overflow, and m is not; see ``excuses``.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from compare.trial.key import Key
from compare.verdict.bits import INTEGERS, histogram, same_bits, ulp_distance

EXACT = "exact"  # bit for bit the reference; 0.0 and −0.0 are different bits
CLOSER = "manual is closer to the truth"  # the reference would fail the test that manual passed
ROUNDING = "rounding"
SUBGRADIENT = "another subgradient"  # at a kink of the reference, where both are valid
LESS_ACCURATE = "less accurate than the reference"  # more than rounding, and no wrong formula
BEHIND_SURROGATE = "behind a surrogate"  # declared to be another gradient, on purpose
NO_TRUTH = "reference is NaN"
BUG = "bug"

#: The reason of a ``BUG`` that no number measures.
NOT_FINITE = "infinite or NaN"
#: The reasons of one that there is nothing to subtract from.
NO_GRADIENT = "manual has no gradient here, the reference has one"
NO_REFERENCE = "the reference has no gradient here, manual has one"
#: The reason of being less accurate where nothing else is wrong.
IN_FLOAT64 = "it is correct in float64"
#: The reason of being less accurate where float16 does not reach far enough.
OUT_OF_RANGE = (
    "intermediate numbers are too large or too small for float16; it is correct in float64"
)
#: The reason of a ``BUG`` that is wrong at kinks and ties alone.
NO_SUBGRADIENT = "no subgradient of the reference, which is not differentiable there"

C = {torch.float64: 4096.0, torch.float32: 8.0, torch.float16: 2.0, torch.bfloat16: 2.0}


@dataclass(frozen=True)
class Row:
    """The comparison of one tensor: its verdict, and the differences and the values behind it.

    Numbers are None where there are none, such as the distance in ULP of different shapes.
    """

    name: str
    kind: str
    verdict: str
    exact: bool = False
    max_abs: float | None = None  # max |m − a|, also when it is infinite
    max_rel: float | None = None  # max |m − a| / max(|m|, |a|): 0 … 2, and 1 where one is zero
    max_ulp: int | None = None
    index: tuple[int, ...] | None = None  # where |m − a| is largest, or the first faulty NaN
    manual: float | None = None  # the two values there
    reference: float | None = None
    error_manual: float | None = None  # err(m), err(a)
    error_reference: float | None = None
    allowed: float | None = None  # 2·err(a) + c·eps·scale
    conditioning: float | None = None  # what is allowed beyond it, where the truth moves by that
    scale: float = 0.0
    strict: bool = False  # whether being less accurate is not good enough
    reason: str = ""  # of a verdict that numbers do not explain
    key: Key | None = None  # what tells the tensor apart from others of its run
    taken_by: tuple[str, ...] = ()  # the layers whose backward computed it, and
    source: str = ""  # the same for people
    input: str = ""  # the kind of input, and
    cotangent: str = ""  # the incoming gradient that this row was found under
    histogram: tuple[int, ...] = ()  # elements at a distance of 0, 1, 2–3, 4–7, 8–15, … ULP

    @property
    def passed(self) -> bool:
        """Whether the verdict is agreement of some kind."""
        if self.verdict == LESS_ACCURATE:
            return not self.strict
        return self.verdict in (EXACT, CLOSER, ROUNDING, SUBGRADIENT, BEHIND_SURROGATE)


def judge(
    name: str,
    kind: str,
    manual: Tensor | None,
    reference: Tensor | None,
    truth: Tensor | None,
    *,
    scale: float | None = None,
) -> Row:
    """Compare one tensor of manual with the reference's, both judged by the truth.

    Args:
        name: Name of the tensor in the report.
        kind: "output", "delta", "parameter" or "input".
        manual: m, any shape; None if the gradient was not computed.
        reference: a, the same shape. Another shape or dtype, or None on one side only, is a
            ``bug``.
        truth: t, the same shape, in float64; ignored when the reference itself is float64.
        scale: Magnitude of the terms that the tensor is a sum of, where they cancel. Default:
            max |t|.

    Raises:
        ValueError: Both are None (there is nothing to judge), or truth and reference do not fit.
        TypeError: The reference is not float64, float32, float16 or bfloat16.
    """
    row = measure(name, kind, manual, reference)
    if row.verdict or manual is None or reference is None:
        return row
    if reference.dtype == torch.float64:
        truth = reference
    if truth is None or truth.shape != reference.shape or truth.dtype != torch.float64:
        raise ValueError(f"{name}: the truth must be float64 of shape {_shape(reference)}")
    m, a, t = manual.detach(), reference.detach(), truth.detach()
    row = replace(row, scale=scale_of(t, a.dtype) if scale is None else scale)
    if row.exact and not a.isnan().any():  # by far the most common case
        return replace(row, verdict=EXACT)
    return _decide(row, m, a, t)


def measure(name: str, kind: str, manual: Tensor | None, reference: Tensor | None) -> Row:
    """How far apart the two are, without a verdict, unless they cannot even be subtracted.

    Raises:
        ValueError, TypeError: As ``judge``.
    """
    if reference is None or manual is None:
        if reference is manual:
            raise ValueError(f"{name}: neither side has a tensor, so there is nothing to judge")
        return Row(name, kind, BUG, reason=NO_GRADIENT if manual is None else NO_REFERENCE)
    if reference.dtype not in INTEGERS:
        names = ", ".join(str(dtype) for dtype in INTEGERS)
        raise TypeError(f"{name}: can judge {names}; the reference is {reference.dtype}")
    if manual.shape != reference.shape:
        reason = f"shape {_shape(manual)}, reference {_shape(reference)}"
        return Row(name, kind, BUG, reason=reason)
    if manual.dtype != reference.dtype:
        return Row(name, kind, BUG, reason=f"{manual.dtype}, reference {reference.dtype}")
    manual, reference = manual.detach(), reference.detach()
    if same_bits(manual, reference):
        counts = (manual.numel(),)
        return Row(
            name, kind, "", exact=True, max_abs=0.0, max_rel=0.0, max_ulp=0, histogram=counts
        )
    m, a = manual.double(), reference.double()
    same = (m == a) | (m.isnan() & a.isnan())  # of ∞ − ∞, too
    distance = torch.where(same, 0.0, (m - a).abs())
    size = torch.maximum(m.abs(), a.abs())
    relative = torch.where(same, 0.0, torch.where(size.isinf(), 1.0, distance / size))
    worst = int(distance.argmax())  # the first NaN, if there is one
    max_abs = float(distance.flatten()[worst])
    index = torch.unravel_index(torch.tensor(worst), m.shape)
    row = Row(
        name,
        kind,
        "",
        index=tuple(int(i) for i in index),
        manual=float(m.flatten()[worst]),
        reference=float(a.flatten()[worst]),
    )
    if math.isnan(max_abs):
        return row
    ulp = ulp_distance(manual, reference)
    return replace(
        row,
        max_abs=max_abs,
        max_rel=float(relative.max()),
        max_ulp=int(ulp.max()),
        histogram=histogram(ulp),
    )


def _decide(row: Row, manual: Tensor, reference: Tensor, t: Tensor) -> Row:
    limits = torch.finfo(reference.dtype)
    m, a = manual.double(), reference.double()
    floor = C[reference.dtype] * limits.eps * max(row.scale, limits.smallest_normal)
    error_m, error_a = largest(m - t), largest(a - t)
    allowed = 2 * error_a + floor
    row = replace(row, error_manual=error_m, error_reference=error_a, allowed=allowed)

    # Comparisons with NaN are false, so what is not shown to be right counts as wrong. Where the
    # truth is infinite, nothing is near it, and being the reference's number must do.
    right = ((m - t).abs() <= allowed) | (m == a) | (t.isinf() & ((m - a).abs() <= floor))
    right |= m.isinf() & (m.sign() * t + allowed > limits.max)
    nobody_knows = a.isnan() & (m.isnan() | t.isnan())
    wrong = ~right & ~nobody_knows
    if wrong.any():
        finite = bool(m[wrong].isfinite().all())
        return replace(row, verdict=BUG, reason="" if finite else NOT_FINITE)
    if nobody_knows.any():
        share = f"{int(nobody_knows.sum())} of {m.numel()} elements"
        return replace(row, verdict=NO_TRUTH, reason=f"the reference is NaN in {share}")
    reference_right = ((a - t).abs() <= 2 * error_m + floor) | (m == a)
    if not reference_right.all():
        return replace(row, verdict=CLOSER)
    return replace(row, verdict=ROUNDING, reason="" if row.max_abs else "only the sign of a zero")


def less_accurate(row: Row) -> str:
    """A row of that verdict in words: how far from the truth, and what is allowed."""
    if row.reason in (OUT_OF_RANGE, IN_FLOAT64):
        return f"it is less accurate than the reference: {row.reason}"
    allowed = (
        f", where rounding explains at most {row.allowed:.2g}" if row.allowed is not None else ""
    )
    beyond = f" and ill-conditioning {row.conditioning:.2g}" if row.conditioning else ""
    error = f"{row.error_manual:.2g} away from the float64 truth"
    return f"it is less accurate than the reference: {error}{allowed}{beyond}"


def scale_of(truth: Tensor, dtype: torch.dtype) -> float:
    """max |t| over what the dtype can hold: an overflow is not the size of all the others."""
    return largest(truth.to(dtype))


def largest(x: Tensor) -> float:
    """max |x| over the finite elements: one overflow must not excuse all the others."""
    if x.numel() == 0:
        return 0.0
    greatest = float(x.abs().max())
    if math.isfinite(greatest):
        return greatest
    return float(torch.where(x.isfinite(), x.abs(), 0.0).max())


def _shape(x: Tensor) -> str:
    return f"({', '.join(str(n) for n in x.shape)})"
