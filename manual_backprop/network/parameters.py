"""The weights and biases of a ``Network``: how they start, travel and are saved."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor


class Parameters:
    """Wˡ (nˡ, nˡ⁻¹) and bˡ (nˡ) of the layers l = 1 … L, and the velocity of each for momentum.

    Args:
        sizes: n⁰ … nᴸ, inputs first and outputs last.
        dtype: float32 or float64; PyTorch's default if ``None``.
        device: where they live; the CPU if ``None``.
        generator: draws them, on the CPU, so that they are the same on any device.

    They start as those of ``torch.nn.Linear`` do, uniform between ±1/√nˡ⁻¹, and are drawn in the
    same order: with the same seed they are those of the same layers in PyTorch, up to rounding.

    Raises:
        ValueError: if there are fewer than two sizes, one is not a positive whole number, or the
            dtype is another one.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        self.sizes = tuple(sizes)
        if len(self.sizes) < 2 or not all(isinstance(n, int) and n >= 1 for n in self.sizes):
            raise ValueError(
                f"expected at least two positive sizes (inputs, …, outputs), got {self.sizes}"
            )
        dtype = _float32_or_float64(dtype or torch.get_default_dtype())
        self.weights: list[Tensor] = []
        self.biases: list[Tensor] = []
        for inputs, outputs in pairwise(self.sizes):
            bound = 1 / math.sqrt(inputs)
            W, b = torch.empty(outputs, inputs, dtype=dtype), torch.empty(outputs, dtype=dtype)
            self.weights.append(W.uniform_(-bound, bound, generator=generator).to(device))
            self.biases.append(b.uniform_(-bound, bound, generator=generator).to(device))
        self.velocities = [torch.zeros_like(w) for w in self.weights + self.biases]

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

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """Move everything to a device, convert it to a dtype, or both.

        Raises:
            ValueError: if the dtype is neither float32 nor float64.
        """
        dtype = _float32_or_float64(dtype or self.weights[0].dtype)
        for tensors in self.weights, self.biases, self.velocities:
            tensors[:] = [tensor.to(device, dtype) for tensor in tensors]
        return self


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
