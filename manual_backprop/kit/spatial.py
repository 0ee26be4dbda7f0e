"""What is given for one, two or three dimensions of space."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

#: One number for all dimensions of space, or one for each.
Sizes = int | Sequence[int]


def per_dimension(value: Sizes, dims: int) -> tuple[int, ...]:
    """One number for each dimension."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * dims if len(values) == 1 else values


def check_weight(name: str, dims: int, weight: Tensor) -> None:
    """Raise ValueError unless the weight is one for so many dimensions."""
    if weight.dim() != dims + 2:
        raise ValueError(
            f"{name}: expected a weight of {dims + 2} dimensions, two of channels and {dims} of "
            f"space, got {tuple(weight.shape)}"
        )


def in_batches(name: str, dims: int, function: Callable[[Tensor], Tensor], input: Tensor) -> Tensor:
    """``function(input)``; a single sample goes through it as a batch of one.

    Raises:
        ValueError: if the input has another number of dimensions.
    """
    if input.dim() == dims + 2:
        return function(input)
    if input.dim() == dims + 1:
        return function(input.unsqueeze(0)).squeeze(0)
    raise ValueError(
        f"{name}: expected an input of {dims + 2} dimensions, or {dims + 1} for a single sample, "
        f"got {tuple(input.shape)}"
    )


def padded_by_name(
    name: str,
    input: Tensor,
    padding: str,
    kernel: Sequence[int],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[Tensor, tuple[int, ...]]:
    """The input and the padding to give it, for ``"same"`` or ``"valid"``.

    With "same" y is as large as x, by d(k − 1) zeros: half of them before x, half of them behind,
    and where they cannot be halved one more behind, as in PyTorch.

    Raises:
        ValueError: for another name, or for "same" with a stride.
    """
    if padding == "valid":
        return input, (0,) * len(stride)
    if padding != "same":
        raise ValueError(f"{name}: expected padding 'same', 'valid' or numbers, got {padding!r}")
    if any(s != 1 for s in stride):
        raise ValueError(f"{name}: expected stride 1 for padding 'same', got {stride}")
    zeros = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if any(m % 2 for m in zeros):
        one_more = [m for m in reversed(zeros) for m in (0, m % 2)]
        input = torch.nn.functional.pad(input, one_more)
    return input, tuple(m // 2 for m in zeros)
