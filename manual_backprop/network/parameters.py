"""What a ``Network`` keeps: how its weights and biases start, travel and are saved."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor

from manual_backprop.activation.table import ACTIVATIONS
from manual_backprop.network.checked_input import choose
from manual_backprop.network.losses import LOSSES


class Parameters:
    """Wˡ (nˡ, nˡ⁻¹) and bˡ (nˡ) of the layers l = 1 … L, and the velocity of each for momentum.

    Beside them the names of σ and of the loss, and z and a of the last forward pass.

    Args:
        sizes: n⁰ … nᴸ, inputs first and outputs last.
        activation: σ of the hidden layers, a name in ``activation.table.ACTIVATIONS``.
        loss: a name in ``losses.LOSSES``.
        dtype: float32 or float64; PyTorch's default if ``None``.
        device: where they live; the CPU if ``None``.
        generator: draws them, on the CPU, so that they are the same on any device.

    They start as those of ``torch.nn.Linear`` do, uniform between ±1/√nˡ⁻¹, and are drawn in the
    same order: with the same seed they are those of the same layers in PyTorch, up to rounding.

    Raises:
        ValueError: if there are fewer than two sizes, one is not a positive whole number, a name
            is unknown, the loss needs more outputs, or the dtype is another one.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        loss: str = "cross-entropy",
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        choose(ACTIVATIONS, activation, "activation")
        choose(LOSSES, loss, "loss")
        self.activation, self.loss = activation, loss
        self.sizes = tuple(sizes)
        if len(self.sizes) < 2 or not all(isinstance(n, int) and n >= 1 for n in self.sizes):
            raise ValueError(
                f"expected at least two positive sizes (inputs, …, outputs), got {self.sizes}"
            )
        if self.sizes[-1] == 1 and LOSSES[loss] is LOSSES["cross-entropy"]:
            raise ValueError(f"{loss} needs at least 2 outputs, got 1: bce takes a single one")
        dtype = _float32_or_float64(dtype or torch.get_default_dtype())
        self.weights: list[Tensor] = []
        self.biases: list[Tensor] = []
        for inputs, outputs in pairwise(self.sizes):
            bound = 1 / math.sqrt(inputs)
            W, b = torch.empty(outputs, inputs, dtype=dtype), torch.empty(outputs, dtype=dtype)
            self.weights.append(W.uniform_(-bound, bound, generator=generator).to(device))
            self.biases.append(b.uniform_(-bound, bound, generator=generator).to(device))
        self.velocities = [torch.zeros_like(w) for w in self.weights + self.biases]
        self.z: list[Tensor] = []
        self.a: list[Tensor] = []

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}({self.sizes}, activation={self.activation!r}, loss={self.loss!r})"

    def state_dict(self) -> dict[str, Tensor]:
        """The weights and biases themselves, under the names they have in an ``nn.Sequential``.

        Activations count there as well, so layer l is number 2(l − 1): 0.weight, 0.bias, 2.weight.
        """
        state = {}
        for i, (W, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            state[f"{2 * i}.weight"], state[f"{2 * i}.bias"] = W, b
        return state

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> None:
        """Copy the weights and biases of a ``state_dict``; the velocities start at 0 again.

        Raises:
            ValueError: if names or shapes differ from those here.
        """
        own = self.state_dict()
        wanted, got = _shapes(own), _shapes(state_dict)
        if got != wanted:
            raise ValueError(f"state_dict does not fit: expected {wanted}, got {got}")
        for name, tensor in own.items():
            tensor.copy_(state_dict[name].detach())
        for v in self.velocities:
            v.zero_()

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move everything to a device, convert it to a dtype, or both; z and a are forgotten.

        Args:
            args, kwargs: as ``torch.nn.Module.to`` takes them: ``device``, ``dtype``, both, or a
                ``tensor`` whose device and dtype to take; and ``non_blocking``.

        Raises:
            TypeError: for other arguments.
            ValueError: if the dtype is neither float32 nor float64.
        """
        device, dtype, non_blocking = _where_to(*args, **kwargs)
        dtype = _float32_or_float64(dtype or self.weights[0].dtype)
        for tensors in self.weights, self.biases, self.velocities:
            tensors[:] = [tensor.to(device, dtype, non_blocking) for tensor in tensors]
        self.z, self.a = [], []
        return self


def _where_to(*args: Any, **kwargs: Any) -> tuple[torch.device | None, torch.dtype | None, bool]:
    """What these arguments of ``to`` mean, as PyTorch itself reads them for a module."""
    if "memory_format" in kwargs:
        raise TypeError("to: expected no memory_format: weights are matrices")
    try:
        device, dtype, non_blocking, _ = torch._C._nn._parse_to(*args, **kwargs)
    except TypeError:
        given = [type(value).__name__ for value in args]
        given += [f"{name}={type(value).__name__}" for name, value in kwargs.items()]
        raise TypeError(
            "to: expected a device, a dtype, a device and a dtype, or a tensor, "
            f"got ({', '.join(given)})"
        ) from None
    return device, dtype, non_blocking


def _float32_or_float64(dtype: torch.dtype) -> torch.dtype:
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"expected torch.float32 or torch.float64, got {dtype}")
    return dtype


def _shapes(state_dict: Mapping[str, Any]) -> dict[str, tuple[int, ...] | str]:
    """Name → shape, or the type of what should have been a tensor."""
    return {
        name: tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        for name, value in state_dict.items()
    }
