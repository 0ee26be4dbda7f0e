"""conv_transpose1d, 2d, 3d and their modules, derived in ``transposed_convolution``."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from manual_backprop.convolution.transposed_convolution import TransposedConvolutionFunction
from manual_backprop.kit.public import public
from manual_backprop.kit.spatial import Sizes, check_weight, in_batches, per_dimension


def _conv_transpose(
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Tensor:
    name = f"conv_transpose{dims}d"
    check_weight(name, dims, weight)
    more, s, p, d = (per_dimension(v, dims) for v in (output_padding, stride, padding, dilation))

    def of_batch(x: Tensor) -> Tensor:
        return TransposedConvolutionFunction.apply(x, weight, bias, more, s, p, d, groups)

    return in_batches(name, dims, of_batch, input)


@public(cpu="lower", cuda="lower")
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """y = W ⋆ᵀ x + b, as ``torch.nn.functional.conv_transpose1d``; see ``conv_transpose2d``."""
    return _conv_transpose(
        1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@public(cpu="lower", cuda="lower")
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """y = W ⋆ᵀ x + b, as ``torch.nn.functional.conv_transpose2d``.

    Args:
        input: x, shape (n, C, h, w), or (C, h, w) for a single sample.
        weight: W, shape (C, O/groups, k, l).
        bias: b, shape (O).
        stride: s, by how much the weight moves on from one value of x to the next.
        padding: p, how many positions of y to cut off on either side.
        output_padding: how many positions to add at the end of y; less than s or d.
        groups: g; both C and O must be multiples of it.
        dilation: d, how far apart the weight's elements lie.

    A number that is given for a size is that of every dimension.

    Raises:
        RuntimeError: (by PyTorch) if the shapes or the types do not fit.
        ValueError: for an input or a weight of other dimensions.
    """
    return _conv_transpose(
        2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@public(cpu="lower", cuda="lower")
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """y = W ⋆ᵀ x + b, as ``torch.nn.functional.conv_transpose3d``; see ``conv_transpose2d``."""
    return _conv_transpose(
        3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


class ConvTranspose1d(torch.nn.ConvTranspose1d):
    """``torch.nn.ConvTranspose1d`` with the backward of ``functional.conv_transpose1d``."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _of(self, 1, conv_transpose1d, input, output_size)


class ConvTranspose2d(torch.nn.ConvTranspose2d):
    """``torch.nn.ConvTranspose2d`` with the backward of ``functional.conv_transpose2d``."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _of(self, 2, conv_transpose2d, input, output_size)


class ConvTranspose3d(torch.nn.ConvTranspose3d):
    """``torch.nn.ConvTranspose3d`` with the backward of ``functional.conv_transpose3d``."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _of(self, 3, conv_transpose3d, input, output_size)


def _of(
    module: Any,
    dims: int,
    function: Callable[..., Tensor],
    input: Tensor,
    output_size: Sequence[int] | None,
) -> Tensor:
    """The function, with what the module has."""
    s, p, k, d = module.stride, module.padding, module.kernel_size, module.dilation
    output_padding = module._output_padding(input, output_size, s, p, k, dims, d)
    return function(input, module.weight, module.bias, s, p, output_padding, module.groups, d)
