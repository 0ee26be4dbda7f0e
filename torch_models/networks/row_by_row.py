"""A long short-term memory that reads an image row by row, and says at its end which digit it was.

Source: Hochreiter, Schmidhuber, "Long short-term memory" (1997), with the forget gate of Gers,
Schmidhuber, Cummins (2000).
"""

from typing import Any

from torch import Tensor, nn

SIDE, HIDDEN = 28, 128


def lstm(layers: Any = nn) -> nn.Module:
    """(N, 28, 28), one row after the other → logits (N, 10).

    Args:
        layers: the namespace to build from, ``torch.nn`` or ``manual_backprop``.
    """
    return RowReader(layers)


class RowReader(nn.Module):
    """The hidden state h after the last row, and a Linear that reads it."""

    def __init__(self, layers: Any) -> None:
        super().__init__()
        self.lstm = layers.LSTM(SIDE, HIDDEN, batch_first=True)
        self.output = layers.Linear(HIDDEN, 10)

    def forward(self, rows: Tensor) -> Tensor:
        """(N, 28, 28) → (N, 10)."""
        h, _ = self.lstm(rows)
        return self.output(h[:, -1])
