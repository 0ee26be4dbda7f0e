"""plain: where a backward may take a shorter way to the same bits."""

import torch
from torch import Tensor
from torch.autograd import forward_ad


def plain(*tensors: Tensor) -> bool:
    """Whether these are numbers on the CPU that nobody traces, transforms or differentiates again.

    Then their values may be looked at, and what was just computed may be written over.
    """
    for t in tensors:
        if type(t) is not Tensor or not t.is_cpu or (t.requires_grad and torch.is_grad_enabled()):
            return False
    return (
        forward_ad._current_level < 0
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
    )
