"""A small residual network: what a block computes is added to what it was given.

Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2015), at the size of
these images.
"""

from typing import Any

from torch import Tensor, nn


def resnet(layers: Any = nn) -> nn.Sequential:
    """(N, 1, 28, 28) → logits (N, 10).

    Args:
        layers: the namespace to build from, ``torch.nn`` or ``manual_backprop``.
    """
    return nn.Sequential(
        layers.Conv2d(1, 16, 3, padding=1, bias=False),
        layers.BatchNorm2d(16),
        layers.MaxPool2d(2),
        layers.ReLU(),
        ResidualBlock(16, 16, 1, layers),
        ResidualBlock(16, 32, 2, layers),
        ResidualBlock(32, 64, 2, layers),
        layers.AdaptiveAvgPool2d(1),
        layers.Flatten(),
        layers.Linear(64, 10),
    )


class ResidualBlock(nn.Module):
    """x ↦ relu(f(x) + skip(x)): (N, n_in, H, W) → (N, n_out, ⌈H/stride⌉, ⌈W/stride⌉).

    f is two convolutions with batch norm. The skip is x itself, and where the shape changes a
    convolution of one pixel.
    """

    def __init__(self, n_in: int, n_out: int, stride: int, layers: Any) -> None:
        super().__init__()
        self.skip: nn.Module | None = None
        if n_in != n_out or stride != 1:
            self.skip = nn.Sequential(
                layers.Conv2d(n_in, n_out, 1, stride, bias=False), layers.BatchNorm2d(n_out)
            )
        # A bias in front of batch norm would be subtracted again with the mean.
        self.f = nn.Sequential(
            layers.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False),
            layers.BatchNorm2d(n_out),
            layers.ReLU(),
            layers.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            layers.BatchNorm2d(n_out),
        )
        self.relu = layers.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """The sum and its ReLU; its backward hands δ to both terms."""
        return self.relu(self.f(x) + (x if self.skip is None else self.skip(x)))
