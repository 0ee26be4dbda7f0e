"""Copies that lie in memory as the original does: a backward can be right for one layout only."""

import torch
from torch import Tensor


def copy_with_layout(
    x: Tensor, dtype: torch.dtype | None = None, device: torch.device | None = None
) -> Tensor:
    """A detached copy of x that shares no memory with x and has x's strides.

    Dimensions expanded with stride 0 stay expanded, and a slice keeps its neighbours in memory:
    what a kernel reads beyond a row is what it would have read. Where elements overlap in another
    way (sliding windows made by ``as_strided``) no such copy can be filled, and it is contiguous.
    """
    x = x.detach()
    dtype, device = dtype or x.dtype, device or x.device
    once = x[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in x.stride())]
    if _overlaps(once):
        once = once.contiguous()
    reach = sum((n - 1) * stride for n, stride in zip(once.shape, once.stride(), strict=True))
    # What does not start at the beginning of its memory still does not.
    front = min(once.storage_offset(), 1)
    if not front and once.numel() in (0, reach + 1):
        copy = torch.empty_strided(once.shape, once.stride(), dtype=dtype, device=device)
        return copy.copy_(once).expand(x.shape)
    if not once.numel():
        return torch.empty_strided(x.shape, x.stride(), dtype=dtype, device=device)
    memory = once.as_strided((front + reach + 1,), (1,), once.storage_offset() - front)
    copy = memory.to(device, dtype, copy=True).as_strided(once.shape, once.stride(), front)
    return copy.expand(x.shape)


def read_as_contiguous(x: Tensor) -> Tensor:
    """The numbers that a kernel finds which takes x for contiguous; x itself where it would crash.

    Shape as x.
    """
    x = x.detach()
    behind = x.untyped_storage().nbytes() // x.element_size() - x.storage_offset()
    if x.is_contiguous() or behind < x.numel():
        return x
    return x.as_strided((x.numel(),), (1,), x.storage_offset()).reshape(x.shape)


def _overlaps(x: Tensor) -> bool:
    """Whether two indices can mean the same memory."""
    reach = 0  # the largest offset that the dimensions so far can add up to
    for stride, size in sorted(zip(x.stride(), x.shape, strict=True)):
        if size > 1 and stride <= reach:
            return True
        reach += stride * (size - 1)
    return False
