"""Layers that disturb training."""

import torch
from torch import Tensor
from torch.nn import functional as F

from compare.catalogue.elementwise import elementwise
from compare.catalogue.specimen import Bug
from compare.diagnosis.mistake import Mistake


def _kept(x: Tensor, training: bool) -> Tensor:
    """1 where nothing was left out, else 0."""
    return (F.dropout(torch.ones_like(x), 0.3, training) > 0).to(x.dtype)


def _kept_as_it_is(g: Tensor, x: Tensor, a: Tensor, training: bool) -> Tensor:
    return g * _kept(x, training)


def _mask_of_the_output(g: Tensor, x: Tensor, a: Tensor, training: bool) -> Tensor:
    """Wrong where x is 0 and was kept."""
    return torch.where(a == 0, 0, g / 0.7) if training else g.clone()


def _drawn_again(g: Tensor, x: Tensor, a: Tensor, training: bool) -> Tensor:
    if not training:
        return g.clone()
    F.dropout(x, 0.3)
    return g * _kept(x, training) / 0.7


ENTRIES = [
    elementwise(
        "Dropout",
        "dropout",
        options=[{}, {"p": 0.2}, {"p": 1.0}, {"p": 0.3, "inplace": True}],
        modules=[{"p": 0.3}, {"p": 0.3, "inplace": True}, {"p": 1.0}],
        wrong={
            "what is kept is not scaled": Bug(Mistake.FACTOR, _kept_as_it_is),
            "mask forgotten": Bug(
                {Mistake.IN_A_PART, Mistake.NO_DERIVATIVE}, lambda g, x, a: g / 0.7
            ),
            "another mask": Bug(Mistake.IN_A_PART, _drawn_again, diagnosed=False),
            "mask read off the output": Bug(Mistake.IN_A_PART, _mask_of_the_output),
        },
        right={
            "dropout of ones": lambda g, x, a, training: (
                g * F.dropout(torch.ones_like(x), 0.3, training)
            )
        },
    ),
]
