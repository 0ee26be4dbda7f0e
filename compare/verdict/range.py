"""What a backward gives because its dtype does not reach further.

float16 ends at 65,504, and has nothing between 0 and 6e-8. A right backward may square numbers, or
take a product before it divides, where PyTorch computes in float32: then its gradient is infinite,
NaN or 0 where PyTorch's is not. To tell that from a wrong formula the backward is run in float64
with nothing changed but its range: what exceeds the dtype's is infinite, what lies below it is
rounded to the steps that are left there. What differs then, and is what the backward gave, comes of
the range.

This is an excuse for numbers that float32 holds. Nobody is excused for e¹⁰⁰.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from compare.trial.given import GIVEN, Given
from compare.trial.key import Key
from compare.trial.sides import Sides
from compare.trial.trial import Trial


def within_range(trial: Trial, sides: Sides) -> dict[Key, Tensor]:
    """What manual's formulas give in float64 within float16's range, where that is an excuse.

    None for what was given, where its numbers are of ordinary size, nor where numbers are met that
    float32 does not hold.
    """
    dtypes = {i.tensor.dtype for i in trial.reference if i.tensor is not None}
    if dtypes != {torch.float16} or (trial.given.kind == GIVEN and is_ordinary(trial.given)):
        return {}
    try:
        with _Range(torch.float16) as range_:
            items, _ = sides.manual.gradients(
                trial.given, [c.double() for c in trial.fed_in], torch.float64
            )
    except Exception:
        return {}
    if range_.largest > torch.finfo(torch.float32).max:
        return {}
    return {item.key: item.tensor for item in items if item.tensor is not None}


def is_ordinary(given: Given) -> bool:
    """Whether the dtypes hold the squares of what is given, and one more than it."""
    sizes = [
        (torch.finfo(x.dtype), float(x.detach().double().abs().max()))
        for x in given.tensors
        if x.numel()
    ]
    return all(
        dtype.smallest_normal <= size**2 <= dtype.max and size * dtype.eps < 1
        for dtype, size in sizes
        if size > 0
    )


class _Range(TorchDispatchMode):
    """Within ``with`` every float64 number that is computed has the range of another dtype."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self.limits, self.largest = dtype, torch.finfo(dtype), 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if "empty" in func._schema.name:
            return result  # what lies in memory before anything is computed
        results = result if isinstance(result, tuple | list) else (result,)
        for returned, x in zip(func._schema.returns, results, strict=False):
            computed = returned.alias_info is None or returned.alias_info.is_write
            if computed and isinstance(x, Tensor) and x.dtype == torch.float64 and x.numel():
                size = x.abs()
                finite = torch.where(size.isfinite(), size, 0.0)
                self.largest = max(self.largest, float(finite.max()))
                outside = (size > self.limits.max) | (size < self.limits.smallest_normal)
                if bool(outside.any()):
                    x.copy_(torch.where(outside, x.to(self.dtype).double(), x))
        return result
