"""adaptive_max_pool1d, 2d, 3d and their modules, derived in ``maximum``."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop.kit.public import public
from manual_backprop.pooling.adaptive_avg_pool import AdaptiveSizes
from manual_backprop.pooling.maximum import MaximumFunction


@public()
def adaptive_max_pool1d(
    input: Tensor, output_size: AdaptiveSizes, return_indices: bool = False
) -> Any:
    """The largest of every part, as ``torch.nn.functional.adaptive_max_pool1d``; see 2d."""
    y, m = MaximumFunction.apply(input, 1, F.adaptive_max_pool1d, (output_size,))
    return (y, m) if return_indices else y


@public()
def adaptive_max_pool2d(
    input: Tensor, output_size: AdaptiveSizes, return_indices: bool = False
) -> Any:
    """The largest of every part, as ``torch.nn.functional.adaptive_max_pool2d``.

    Args:
        input: x, shape (n, C, h, w) or (C, h, w).
        output_size: T, into how many parts each dimension is divided; ``None`` for as many as it
            has positions. A number is that of every dimension.
        return_indices: also return m, of the type int64.

    Returns:
        y, shape (n, C, T, T) or (C, T, T), or (y, m).

    Raises:
        RuntimeError: (by PyTorch) for sizes that do not fit.
    """
    y, m = MaximumFunction.apply(input, 2, F.adaptive_max_pool2d, (output_size,))
    return (y, m) if return_indices else y


@public(cpu="float32")
def adaptive_max_pool3d(
    input: Tensor, output_size: AdaptiveSizes, return_indices: bool = False
) -> Any:
    """The largest of every part, as ``torch.nn.functional.adaptive_max_pool3d``; see 2d."""
    y, m = MaximumFunction.apply(input, 3, F.adaptive_max_pool3d, (output_size,))
    return (y, m) if return_indices else y


class AdaptiveMaxPool1d(torch.nn.AdaptiveMaxPool1d):
    """``torch.nn.AdaptiveMaxPool1d`` with the backward of ``functional.adaptive_max_pool1d``."""

    def forward(self, input: Tensor) -> Any:
        return adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(torch.nn.AdaptiveMaxPool2d):
    """``torch.nn.AdaptiveMaxPool2d`` with the backward of ``functional.adaptive_max_pool2d``."""

    def forward(self, input: Tensor) -> Any:
        return adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(torch.nn.AdaptiveMaxPool3d):
    """``torch.nn.AdaptiveMaxPool3d`` with the backward of ``functional.adaptive_max_pool3d``."""

    def forward(self, input: Tensor) -> Any:
        return adaptive_max_pool3d(input, self.output_size, self.return_indices)
