"""Half precision: computed in float32 and rounded once, as in PyTorch's own kernels."""

from typing import Any

import torch

HALF_PRECISION = (torch.float16, torch.bfloat16)


def in_opmath(*tensors: Any) -> tuple[Any, ...]:
    """The tensors, those in half precision as float32; ``None`` stays ``None``.

    A derivative of several operations loses a rounding at each in half precision. PyTorch's
    kernels compute in float32 and round once; so does a backward that starts with this and ends
    with ``.to(grad_output.dtype)``. It takes all of them: a number (0-d) in float32 times a tensor
    in half precision is rounded to half precision.
    """
    return tuple(t if t is None or t.dtype not in HALF_PRECISION else t.float() for t in tensors)


def rounded(y: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """An output in this type.

    A ``.to`` that changes nothing gives y itself, and PyTorch 2.11 compiles a Function that returns
    it to one whose gradient is 0.
    """
    return y if y.dtype == dtype else y.to(dtype)
