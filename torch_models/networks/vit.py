"""A vision transformer: the image as a sequence of patches, each described by where and what it is.

Source: Dosovitskiy et al., "An image is worth 16x16 words" (2020), at the size of these images. Its
answer is read from the mean of all tokens.
"""

from typing import Any

import torch
from torch import Tensor, nn

from torch_models.networks.transformer import Block

#: Pixels along a patch, and patches along an image.
PATCH, ACROSS = 7, 4
#: d numbers describe a patch.
D, HEADS, DEPTH, DROPOUT = 64, 4, 4, 0.05


def vit(layers: Any = nn) -> nn.Module:
    """(N, 1, 28, 28) → logits (N, 10).

    Args:
        layers: the namespace to build from, ``torch.nn`` or ``manual_backprop``.
    """
    return VisionTransformer(layers)


class VisionTransformer(nn.Module):
    """Patches of 7 × 7 pixels, learned positions, blocks of attention, the mean of their tokens."""

    def __init__(self, layers: Any) -> None:
        super().__init__()
        self.patches = layers.Linear(PATCH**2, D)
        self.positions = layers.Embedding(ACROSS**2, D)
        nn.init.normal_(self.positions.weight, std=0.02)
        self.dropout = layers.Dropout(DROPOUT)
        self.blocks = nn.Sequential(
            *(Block(D, HEADS, DROPOUT, layers.GELU(), False, layers) for _ in range(DEPTH))
        )
        self.norm = layers.LayerNorm(D)
        self.output = layers.Linear(D, 10)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 28, 28) → (N, 10)."""
        places = torch.arange(ACROSS**2, device=images.device)
        x = self.dropout(self.patches(in_patches(images)) + self.positions(places))
        x = self.norm(self.blocks(x))
        return self.output(x.mean(1))


def in_patches(images: Tensor) -> Tensor:
    """(N, 1, 28, 28) → (N, 16, 49), row by row."""
    n = len(images)
    tiles = images.reshape(n, ACROSS, PATCH, ACROSS, PATCH).transpose(2, 3)
    return tiles.reshape(n, ACROSS**2, PATCH**2)
