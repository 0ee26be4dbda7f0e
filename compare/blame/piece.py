"""A part of a model, to be run by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from compare.trial.given import Given
from compare.trial.sides import Sides


@dataclass(frozen=True)
class Piece:
    """What is run by itself, once for each call: what it is given, and what comes back to it."""

    label: str
    sides: Sides
    calls: Sequence[tuple[Given, Sequence[Tensor]]]
    derive: bool = True  # whether to ask on the inputs derived from what is given, too
