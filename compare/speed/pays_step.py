"""A forward and a backward of a layer, and what the forward keeps."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from compare.speed.kept_bytes import saved_by_layer


def step_of(module: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[[int], object]:
    """Both, with an incoming gradient that is the same each time."""
    wanted = [t for t in (*inputs, *module.parameters()) if t.requires_grad]
    with torch.no_grad():
        output = module(*inputs)
    generator = torch.Generator().manual_seed(7)
    g = torch.randn(output.shape, generator=generator).to(output)
    return lambda i: torch.autograd.grad(module(*inputs), wanted, g)


def saved_bytes(module: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """Bytes that the forward keeps for the backward, without parameters."""
    kept = saved_by_layer(_Unpacked(module), lambda output, _: output, inputs, inputs[0])  # type: ignore[arg-type]
    return sum(kept.values())


class _Unpacked(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        return self.module(*inputs)
