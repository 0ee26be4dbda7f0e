"""LeNet-5: two convolutions, each followed by a pool, and three Linear layers.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition"
(1998), with ReLU for its sigmoids and a maximum for its mean. ReLU comes after the pool: it gives
the same numbers from a quarter of the work, and the pool meets no ties of zeros.
"""

from typing import Any

from torch import nn


def lenet(layers: Any = nn) -> nn.Sequential:
    """(N, 1, 28, 28) → logits (N, 10).

    Args:
        layers: the namespace to build from, ``torch.nn`` or ``manual_backprop``.
    """
    return nn.Sequential(
        layers.Conv2d(1, 6, 5, padding=2),
        layers.MaxPool2d(2),
        layers.ReLU(),
        layers.Conv2d(6, 16, 5),
        layers.MaxPool2d(2),
        layers.ReLU(),
        layers.Flatten(),
        layers.Linear(400, 120),
        layers.ReLU(),
        layers.Linear(120, 84),
        layers.ReLU(),
        layers.Linear(84, 10),
    )
