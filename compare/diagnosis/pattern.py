"""The pattern of an error that has no name: along which dims the ratio to the truth is one."""

from itertools import combinations

from torch import Tensor

_SAME = 1e-3  # of a ratio along a dim, relative to its size
_ZERO = 1e-4  # of the largest number; a ratio to less than that is rounding


def one_factor(m: Tensor, t: Tensor) -> str:
    """Along which dims manual is one number times the truth, and how large it is; "" if none.

    Args:
        m: Manual's gradient.
        t: The true one, of the same shape.
    """
    usable = t.abs() > _ZERO * t.abs().max() if t.numel() else t.bool()
    if t.dim() < 2 or not bool(usable.any()):
        return ""
    ratio = m / t
    for count in range(t.dim() - 1, 0, -1):
        for dims in combinations(range(t.dim()), count):
            if all(t.shape[d] > 1 for d in dims) and _is_one(ratio, usable, dims):
                along = " and ".join(map(str, dims))
                low, high = float(ratio[usable].min()), float(ratio[usable].max())
                return (
                    f"along dim {along} it is off by one factor, which goes from {low:.3g} to "
                    f"{high:.3g} with the others"
                )
    return ""


def _is_one(ratio: Tensor, usable: Tensor, dims: tuple[int, ...]) -> bool:
    inf = float("inf")
    low = ratio.masked_fill(~usable, inf).amin(dims)
    high = ratio.masked_fill(~usable, -inf).amax(dims)
    there = usable.any(dims[0]) if len(dims) == 1 else usable.sum(dims) > 0
    size = ratio[usable].abs().max()
    return bool(((high - low)[there] <= _SAME * size).all())
