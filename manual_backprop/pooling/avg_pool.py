"""avg_pool1d, avg_pool2d, avg_pool3d and their modules, derived in ``average``."""

import torch
from torch import Tensor

from manual_backprop.kit.public import public
from manual_backprop.kit.spatial import Sizes, per_dimension
from manual_backprop.pooling.average import AverageFunction


def _avg_pool(
    dims: int,
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    if stride is None or stride == ():
        stride = kernel_size
    windows = [per_dimension(sizes, dims) for sizes in (kernel_size, stride, padding)]
    return AverageFunction.apply(input, *windows, ceil_mode, count_include_pad, divisor_override)


@public()
def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of every window, as ``torch.nn.functional.avg_pool1d``; see ``avg_pool2d``."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@public()
def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window, as ``torch.nn.functional.avg_pool2d``.

    Args:
        input: x, shape (n, C, h, w) or (C, h, w).
        kernel_size: of a window.
        stride: s, from one window to the next; ``None`` for the window's size.
        padding: p, how many zeros to put around x, on either side.
        ceil_mode: also have the last window where it reaches beyond x.
        count_include_pad: whether zeros that are put around x count in the mean.
        divisor_override: m, what to divide every sum by.

    A number that is given for a size is that of every dimension.

    Returns:
        y, shape (n, C, …) or (C, …).

    Raises:
        RuntimeError: (by PyTorch) for sizes that do not fit.
    """
    return _avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@public(cpu="float32")
def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window, as ``torch.nn.functional.avg_pool3d``; see ``avg_pool2d``."""
    return _avg_pool(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


class AvgPool1d(torch.nn.AvgPool1d):
    """``torch.nn.AvgPool1d`` with the backward of ``functional.avg_pool1d``."""

    def forward(self, input: Tensor) -> Tensor:
        return avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )


class AvgPool2d(torch.nn.AvgPool2d):
    """``torch.nn.AvgPool2d`` with the backward of ``functional.avg_pool2d``."""

    def forward(self, input: Tensor) -> Tensor:
        return avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(torch.nn.AvgPool3d):
    """``torch.nn.AvgPool3d`` with the backward of ``functional.avg_pool3d``."""

    def forward(self, input: Tensor) -> Tensor:
        return avg_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )
