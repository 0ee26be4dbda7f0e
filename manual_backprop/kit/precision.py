"""Half precision: computed in float32 and rounded once, as in PyTorch's own kernels."""

import torch
from torch import Tensor

HALF_PRECISION = (torch.float16, torch.bfloat16)


def in_opmath(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, those in half precision as float32.

    A derivative of several operations loses a rounding at each in half precision. PyTorch's
    kernels compute in float32 and round once; so does a backward that starts with this and ends
    with ``.to(grad_output.dtype)``.
    """
    return tuple(t.float() if t.dtype in HALF_PRECISION else t for t in tensors)
