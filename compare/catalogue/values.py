"""Numbers that layers are tried on: the same in every run, or drawn anew."""

import torch
from torch import Tensor

#: Samples and features of what is drawn: odd numbers, so that no vector loop comes out even.
SHAPE = (33, 13)


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    """Standard normal numbers times ``scale``, float64."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(shape, generator=generator, dtype=torch.float64)


def probabilities(*shape: int, seed: int = 0) -> Tensor:
    """Between 0 and 1, float64."""
    return normal(*shape, seed=seed).sigmoid()


def classes(*shape: int, of: int, seed: int = 0) -> Tensor:
    """Indices from 0 to ``of`` − 1."""
    return torch.randint(of, shape, generator=torch.Generator().manual_seed(seed))


def empty(*shape: int) -> Tensor:
    """Float64 of a shape with a 0 in it."""
    return torch.empty(shape, dtype=torch.float64)


def drawn_normal() -> tuple[Tensor]:
    """Standard normal numbers of ``SHAPE``, by PyTorch's own generator."""
    return (torch.randn(SHAPE),)
