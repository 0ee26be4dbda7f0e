"""What tells the tensors of a run apart, and pairs those of one model with those of the other."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a tensor is."""

    OUTPUT = "output"  # of the model, or of its loss
    DELTA = "delta"  # ∂L/∂(a layer's output)
    PARAMETER = "parameter"  # ∂L/∂(a parameter)
    INPUT = "input"  # ∂L/∂(an argument)


#: The layer that a loss is, after all others.
LOSS = "loss"


class Key(NamedTuple):
    """A tensor of a run.

    ``name`` is dotted: of the layer whose δ it is, or of the parameter. Of outputs it is ``LOSS``
    or nothing. ``call`` counts the calls of a layer from 1, ``place`` what it returns, or the
    model's outputs and arguments, from 0.
    """

    kind: Kind
    name: str = ""
    call: int = 1
    place: int = 0

    @property
    def layer(self) -> str:
        """The layer that it belongs to, dotted; of outputs and arguments none."""
        if self.kind is Kind.PARAMETER:
            return self.name.rpartition(".")[0]
        return self.name if self.kind is Kind.DELTA else ""
