"""conv1d, conv2d, conv3d and their modules; what they compute is derived in ``convolution``."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manual_backprop.convolution.convolution import ConvolutionFunction
from manual_backprop.convolution.padding import pad
from manual_backprop.kit.public import public
from manual_backprop.kit.spatial import (
    Sizes,
    check_weight,
    in_batches,
    padded_by_name,
    per_dimension,
)


def _conv(
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes,
    groups: int,
) -> Tensor:
    name = f"conv{dims}d"
    check_weight(name, dims, weight)
    s, d = per_dimension(stride, dims), per_dimension(dilation, dims)
    if isinstance(padding, str):
        input, p = padded_by_name(name, input, padding, weight.shape[2:], s, d)
    else:
        p = per_dimension(padding, dims)

    def of_batch(x: Tensor) -> Tensor:
        return ConvolutionFunction.apply(x, weight, bias, s, p, d, groups)

    return in_batches(name, dims, of_batch, input)


@public(cpu="lower", cuda="lower")
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """y = W ⋆ x + b, as ``torch.nn.functional.conv1d``; see ``conv2d``."""
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


@public(cpu="lower", cuda="lower")
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """y = W ⋆ x + b, as ``torch.nn.functional.conv2d``.

    Args:
        input: x, shape (n, C, h, w), or (C, h, w) for a single sample.
        weight: W, shape (O, C/groups, k, l).
        bias: b, shape (O).
        stride: s, by how much the weight moves on from one place to the next.
        padding: p, how many zeros to put around x on either side; ``"valid"`` for none, ``"same"``
            for as many as make y as large as x.
        dilation: d, how far apart the weight's elements lie.
        groups: g; both C and O must be multiples of it.

    A number that is given for stride, padding or dilation is that of every dimension.

    Raises:
        RuntimeError: (by PyTorch) if the shapes or the types do not fit.
        ValueError: for an input of other dimensions, or a padding by a name that does not fit.
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


@public(cpu="lower", cuda="lower")
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """y = W ⋆ x + b, as ``torch.nn.functional.conv3d``; see ``conv2d``."""
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def _of(module: Any, function: Callable[..., Tensor], input: Tensor) -> Tensor:
    """The function, with what the module has."""
    padding = module.padding
    if module.padding_mode != "zeros":
        around = module._reversed_padding_repeated_twice  # in PyTorch's order for ``pad``
        input, padding = pad(input, around, module.padding_mode), 0
    return function(
        input, module.weight, module.bias, module.stride, padding, module.dilation, module.groups
    )


class Conv1d(torch.nn.Conv1d):
    """``torch.nn.Conv1d`` with the backward of ``functional.conv1d``."""

    def forward(self, input: Tensor) -> Tensor:
        return _of(self, conv1d, input)


class Conv2d(torch.nn.Conv2d):
    """``torch.nn.Conv2d`` with the backward of ``functional.conv2d``."""

    def forward(self, input: Tensor) -> Tensor:
        return _of(self, conv2d, input)


class Conv3d(torch.nn.Conv3d):
    """``torch.nn.Conv3d`` with the backward of ``functional.conv3d``."""

    def forward(self, input: Tensor) -> Tensor:
        return _of(self, conv3d, input)
