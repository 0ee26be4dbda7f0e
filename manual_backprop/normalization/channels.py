"""What the layers share that have one weight and one bias for each channel: x is (N, C, …)."""

from typing import overload

import torch
from torch import Tensor


@overload
def per_channel(t: Tensor, x: Tensor) -> Tensor: ...
@overload
def per_channel(t: None, x: Tensor) -> float: ...
def per_channel(t: Tensor | None, x: Tensor) -> Tensor | float:
    """(C) → (C, 1, …), to go with x; 1 where there is none."""
    return 1.0 if t is None else t.reshape(-1, *[1] * (x.dim() - 2))


def all_but_channels(x: Tensor) -> list[int]:
    """The dimensions of x other than that of the channels."""
    return [0, *range(2, x.dim())]


def sum_of_products(a: Tensor, b: Tensor) -> Tensor:
    """Σ a b over all but the channels: (N, C, …) → (C), without a tensor of all products."""
    if a.dim() == 2:
        return (a * b).sum(0)
    return torch.linalg.vecdot(a.flatten(2), b.flatten(2)).sum(0)


def check_channels(name: str, input: Tensor, **per_channel: Tensor | None) -> None:
    """Raise ValueError unless input is (N, C, …) and each of the others is None or (C)."""
    if input.dim() < 2:
        raise ValueError(f"{name}: expected input (N, C, …), got {tuple(input.shape)}")
    for what, t in per_channel.items():
        if t is not None and t.shape != input.shape[1:2]:
            raise ValueError(
                f"{name}: expected {what} ({input.shape[1]},), one number for each channel of "
                f"input {tuple(input.shape)}, got {tuple(t.shape)}"
            )


def check_running(
    name: str, input: Tensor, mean: Tensor | None, variance: Tensor | None, *, needed: bool
) -> list[Tensor]:
    """The running statistics, where there are any; one line for what does not fit."""
    check_channels(name, input, running_mean=mean, running_var=variance)
    running = [r for r in (mean, variance) if r is not None]
    if len(running) == 1:
        raise ValueError(f"{name}: expected both running_mean and running_var or neither, got one")
    if needed and not running:
        raise ValueError(
            f"{name}: expected running_mean and running_var to evaluate with, got None"
        )
    if any(r.requires_grad for r in running):
        raise RuntimeError(f"{name}: running_mean and running_var must not require a gradient")
    return running
