"""Arguments that the losses share, and how they are refused."""

import warnings

import torch
from torch import Tensor
from torch.nn import _reduction

REDUCTIONS = ("none", "mean", "sum")


def chosen_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """``reduction``, or what the two arguments that PyTorch had before it say.

    Raises:
        ValueError: if ``reduction`` is none of ``"none"``, ``"mean"``, ``"sum"``.
    """
    if size_average is not None or reduce is not None:
        return _reduction.legacy_get_string(size_average, reduce)
    if reduction not in REDUCTIONS:
        raise ValueError(f"expected reduction 'none', 'mean' or 'sum', got {reduction!r}")
    return reduction


def require_same_shape(name: str, input: Tensor, target: Tensor) -> None:
    """Raise ValueError unless both have one shape."""
    if target.shape != input.shape:
        raise ValueError(
            f"{name}: expected a target of the input's shape {tuple(input.shape)}, "
            f"got {tuple(target.shape)}"
        )


def alike(name: str, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one shape and one type; a target of another shape is broadcast with a warning."""
    if target.shape != input.shape:
        warnings.warn(
            f"{name}: the target's shape {tuple(target.shape)} is not the input's "
            f"{tuple(input.shape)}; broadcasting them is rarely what is meant",
            stacklevel=4,
        )
    return broadcast(input, target)


def broadcast(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one shape and one type."""
    dtype = torch.promote_types(input.dtype, target.dtype)
    input, target = torch.broadcast_tensors(input, target)
    return input.to(dtype), target.to(dtype)


def require_weight_of_input(name: str, input: Tensor, weight: Tensor | None) -> None:
    """Raise ValueError unless the weight has the shape of the input."""
    if weight is not None and weight.shape != input.shape:
        raise ValueError(
            f"{name}: expected a weight of the input's shape {tuple(input.shape)}, "
            f"got {tuple(weight.shape)}"
        )


def require_constant(**weights: Tensor | None) -> None:
    """Refuse weights that require a gradient, as PyTorch does where it derives none for them.

    Raises:
        RuntimeError: naming the weight. Returning no gradient would silently train nothing.
    """
    for name, weight in weights.items():
        if weight is not None and weight.requires_grad and torch.is_grad_enabled():
            raise RuntimeError(
                f"the loss has no gradient for its {name}: expected a tensor with "
                f"requires_grad=False; pass {name}.detach()"
            )
