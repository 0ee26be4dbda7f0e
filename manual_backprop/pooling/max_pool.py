"""max_pool1d, max_pool2d, max_pool3d and their modules, derived in ``maximum``."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.public import public
from manual_backprop.kit.spatial import Sizes
from manual_backprop.pooling.maximum import MaximumFunction


@public()
def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest of every window, as ``torch.nn.functional.max_pool1d``; see ``max_pool2d``."""
    options = kernel_size, stride, padding, dilation, ceil_mode
    y, m = MaximumFunction.apply(input, 1, F.max_pool1d, options)
    return (y, m) if return_indices else y


@public()
def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest of every window, as ``torch.nn.functional.max_pool2d``.

    Args:
        input: x, shape (n, C, h, w) or (C, h, w).
        kernel_size: of a window.
        stride: from one window to the next; ``None`` for the window's size.
        padding: how many positions that are never the largest to put around x, on either side.
        dilation: how far apart the elements of a window lie.
        ceil_mode: also have the last window where it reaches beyond x.
        return_indices: also return m, of the type int64.

    A number that is given for a size is that of every dimension.

    Returns:
        y, shape (n, C, …) or (C, …), or (y, m).

    Raises:
        RuntimeError: (by PyTorch) for sizes that do not fit.
    """
    options = kernel_size, stride, padding, dilation, ceil_mode
    y, m = MaximumFunction.apply(input, 2, F.max_pool2d, options)
    return (y, m) if return_indices else y


@public(cpu="float32")
def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest of every window, as ``torch.nn.functional.max_pool3d``; see ``max_pool2d``."""
    options = kernel_size, stride, padding, dilation, ceil_mode
    y, m = MaximumFunction.apply(input, 3, F.max_pool3d, options)
    return (y, m) if return_indices else y


class MaxPool1d(torch.nn.MaxPool1d):
    """``torch.nn.MaxPool1d`` with the backward of ``functional.max_pool1d``."""

    def forward(self, input: Tensor) -> Any:
        return max_pool1d(input, *_options(self))


class MaxPool2d(torch.nn.MaxPool2d):
    """``torch.nn.MaxPool2d`` with the backward of ``functional.max_pool2d``."""

    def forward(self, input: Tensor) -> Any:
        return max_pool2d(input, *_options(self))


class MaxPool3d(torch.nn.MaxPool3d):
    """``torch.nn.MaxPool3d`` with the backward of ``functional.max_pool3d``."""

    def forward(self, input: Tensor) -> Any:
        return max_pool3d(input, *_options(self))


def _options(m: Any) -> tuple[Any, ...]:
    return m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices
