"""What the losses of classes share: where the classes are, and how much each sample counts.

ℓ and z have the shape (C), (N, C) or (N, C, d1, …), targets the same without C, weights (C).
"""

import torch
from torch import Tensor

from manual_backprop.kit.precision import in_opmath


def class_dim(shape: torch.Size) -> int:
    """The dimension of the classes: the only one, or the one after the samples."""
    return 0 if len(shape) == 1 else 1


def per_class(weight: Tensor | None, shape: torch.Size) -> Tensor | int:
    """w, shaped to broadcast along the classes of a tensor of ``shape``; 1 without weights."""
    if weight is None:
        return 1
    return weight.reshape([-1 if d == class_dim(shape) else 1 for d in range(len(shape))])


def targets_and_weights(
    target: Tensor, weight: Tensor | None, ignore_index: int, classes: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Class indices t, which of them count, and their weights w_t, 0 for those that do not.

    t is some class for an ignored sample. Without weights w_t is true or false, 1 or 0.
    """
    t = target.clamp(0, classes - 1).long()
    valid = target != ignore_index
    if weight is None:
        return t, valid, valid
    (w,) = in_opmath(weight)
    return t, valid, valid * w.index_select(0, t.flatten()).view(t.shape)


def check_classes(name: str, input: Tensor, weight: Tensor | None) -> None:
    """Raise ValueError unless ``input`` has classes and ``weight`` one number for each."""
    if input.dim() == 0:
        raise ValueError(f"{name}: expected input (C), (N, C) or (N, C, d1, …), got a 0-d tensor")
    classes = input.shape[class_dim(input.shape)]
    if weight is not None and weight.shape != (classes,):
        raise ValueError(
            f"{name}: expected one weight for each of {classes} classes, got {tuple(weight.shape)}"
        )


def check_class_indices(name: str, input: Tensor, target: Tensor) -> None:
    """Raise ValueError unless ``target`` holds one index for each sample of ``input``."""
    dim = class_dim(input.shape)
    expected = input.shape[:dim] + input.shape[dim + 1 :]
    if target.shape != expected:
        raise ValueError(
            f"{name}: expected class indices of shape {tuple(expected)} for input "
            f"{tuple(input.shape)}, got {tuple(target.shape)}"
        )
    if target.dtype not in (torch.int64, torch.uint8):
        raise ValueError(f"{name}: expected class indices of type int64, got {target.dtype}")
