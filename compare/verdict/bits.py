"""Two tensors, bit by bit: are they the same, and how many floats lie between them.

An IEEE float is sign and magnitude, and magnitudes are ordered like the integers that have the same
bits. Counting each number as ±(its magnitude's bits) therefore numbers all floats from −∞ to ∞ in
order, both zeros as 0, and the distance in units in the last place (ULP) is the difference of two
such numbers. This is the true distance: right across powers of two, zero and subnormal numbers.
"""

import torch
from torch import Tensor

INTEGERS = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
}


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Whether a and b have the same dtype, shape and bits.

    Any NaN equals any NaN: the payload that the processor leaves in it means nothing. 0.0 and −0.0
    are different bits and so not the same: a copy "bit for bit" has the sign too, and 1/x shows it.
    """
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype not in INTEGERS:
        return torch.equal(a, b)
    bits_a, bits_b = (t.contiguous().view(INTEGERS[a.dtype]) for t in (a, b))
    if torch.equal(bits_a, bits_b):  # by far the most common case, and one pass
        return True
    return bool(((bits_a == bits_b) | (a.isnan() & b.isnan())).all())


def ulp_distance(a: Tensor, b: Tensor) -> Tensor:
    """How many steps from float to next float lie between a and b, element by element.

    Args:
        a: Any shape; float64, float32, float16 or bfloat16.
        b: Same shape and dtype.

    Returns:
        int64 of the same shape. Two zeros, whatever their signs, are 0 apart, two NaN are 0 apart,
        and NaN is 2⁶³ − 1 from every number; so are float64 numbers that are further apart.
    """
    furthest = torch.iinfo(torch.int64).max
    (negative_a, size_a), (negative_b, size_b) = _sign_and_magnitude(a), _sign_and_magnitude(b)
    # Opposite signs: up to zero and down again. In float64 that sum can exceed an int64.
    across = torch.where(size_a > furthest - size_b, furthest, size_a + size_b)
    distance = torch.where(negative_a == negative_b, (size_a - size_b).abs(), across)
    distance = torch.where(a.isnan() ^ b.isnan(), furthest, distance)
    return torch.where(a.isnan() & b.isnan(), 0, distance)


def _sign_and_magnitude(x: Tensor) -> tuple[Tensor, Tensor]:
    bits = x.contiguous().view(INTEGERS[x.dtype]).to(torch.int64)
    return bits < 0, bits & torch.iinfo(INTEGERS[x.dtype]).max


#: Bins of a histogram: 0, 1, 2–3, 4–7, …; the last one takes all that is further away.
BINS = 32


def histogram(distances: Tensor) -> tuple[int, ...]:
    """How many distances in ULP are 0, 1, 2–3, 4–7, 8–15, …, up to the last that is not empty."""
    doublings = torch.where(distances > 0, distances.double().log2().floor() + 1, 0)
    counts = doublings.long().clamp(max=BINS - 1).flatten().bincount()
    return tuple(int(count) for count in counts)
