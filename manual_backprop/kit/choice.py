"""One of two values, element by element, without a branch.

    a_n = x_n if c_n else y_n                  a = y + (x − y) c, in the integers of the same bits

PyTorch's kernel of ``where`` jumps for every element, on the CPU. The mask of a rectifier is as
good as random, every other jump is guessed wrong, and that costs more than all the arithmetic of
the layer. Multiplying by the mask does not jump, but is no choice: 0 · ∞ is undefined. In the
integers that have the same bits it is one: there is no infinity among them, and what overflows in
the difference comes back in the sum.
"""

import torch
from torch import Tensor

from manual_backprop.kit.plain import plain

_INTEGER = {
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}


def where(condition: Tensor, x: Tensor, y: Tensor | float) -> Tensor:
    """``torch.where``, to the bit; faster on the CPU while nobody differentiates it.

    Args:
        condition: c, truth values, any shape that broadcasts with those of x and y.
        x: what to take where c holds.
        y: what to take where it does not; a number other than the integer 0 is taken the slower
            way.

    Raises:
        RuntimeError: (by PyTorch) for a condition that is not boolean, or shapes that do not fit.
    """
    fits = y.dtype == x.dtype and plain(y) if isinstance(y, Tensor) else type(y) is int and y == 0
    integer = _INTEGER.get(x.dtype)
    if integer is None or not fits or condition.dtype != torch.bool or not plain(x):
        return torch.where(condition, x, y)
    c, x_bits = condition.to(integer), x.view(integer)
    if not isinstance(y, Tensor):
        return _product(c, x_bits).view(x.dtype)
    y_bits = y.view(integer)
    return _product(c, x_bits - y_bits).add_(y_bits).view(x.dtype)


def _product(c: Tensor, x: Tensor) -> Tensor:
    """c x, in the memory of c where that is enough: to ask for more takes longer."""
    return c.mul_(x) if c.shape == x.shape else c * x
