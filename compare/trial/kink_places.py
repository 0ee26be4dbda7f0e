"""Where a layer has its kinks: at 0, at a threshold, at ±3, wherever; found in its gradient.

All numbers of an input are shifted by the same t, so that each of them passes over all values
within eight of its own. Where the gradient to it changes, halving the interval again and again
finds the place: of a smooth function nothing of the change is left in the end, of a kink all of it.
"""

import math

import torch
from torch import Tensor

from compare.trial.case import Case
from compare.trial.given import Given
from compare.trial.key import Kind

_FAR = 8
_HALVINGS = 25  # from 1 to 3e-8
_LOOK = 7  # halvings after which of a smooth change, about a hundredth is left
_SMOOTH = 16
_LEFT = 1e-3  # of the largest gradient: a jump, where the change over the last interval is more


def kink_places(given: Given, reference: Case, seed: int = 0) -> list[Tensor | None]:
    """For each floating-point tensor given the values near its own at which the layer has a kink.

    Args:
        given: What the layer is given.
        reference: The layer.
        seed: Of the choice among several kinks.

    Returns:
        Float64, NaN where none was found; None for a tensor without any or without a gradient.

    Raises:
        Exception: Whatever the reference raises.
    """
    incoming = [torch.ones_like(y).double() for y in reference.outputs(given)]
    generator = torch.Generator().manual_seed(seed)
    places: list[Tensor | None] = []
    leaves = iter(range(len(given.differentiated)))
    for x in given.tensors:
        place = None
        if x.requires_grad and x.numel():
            place = _places(_Shifted(given, reference, incoming, x, next(leaves)), generator)
        places.append(place)
    return places


class _Shifted:
    """The gradient to one input as a function of how far each of its numbers is shifted."""

    def __init__(
        self, given: Given, reference: Case, incoming: list[Tensor], x: Tensor, leaf: int
    ) -> None:
        self.given, self.reference, self.incoming = given, reference, incoming
        self.x, self.leaf = x, leaf

    def at(self, t: Tensor | float) -> Tensor:
        values = [
            x.detach().double() + (t if x is self.x else 0.0) if x.requires_grad else x.detach()
            for x in self.given.tensors
        ]
        items, _ = self.reference.gradients(
            self.given.with_values(values), self.incoming, torch.float64
        )
        found = (i.tensor for i in items if i.kind is Kind.INPUT and i.key.place == self.leaf)
        gradient = next(found)
        return torch.zeros_like(self.x).double() if gradient is None else gradient


def _places(shifted: _Shifted, generator: torch.Generator) -> Tensor | None:
    if torch.equal(middle := shifted.at(0.0), shifted.at(-_FAR)) and torch.equal(
        middle, shifted.at(_FAR)
    ):
        return None  # linear in its input
    grid = torch.arange(-_FAR, _FAR + 1, dtype=torch.float64)
    seen = torch.stack([shifted.at(float(t)) for t in grid])
    changes = (seen[1:] - seen[:-1]).abs().nan_to_num(0, 0, 0).flatten(1).cpu()
    size = float(seen.nan_to_num(0, 0, 0).abs().max())
    if not bool((changes > _LEFT * size).any()):
        return None
    chosen = torch.multinomial(changes.T + 1e-300, 1, generator=generator).squeeze(1)
    chosen = chosen.reshape(middle.shape).to(middle.device)
    low, high = grid.to(middle.device)[chosen], grid.to(middle.device)[chosen + 1]
    at_low, at_high = (seen.gather(0, i[None])[0] for i in (chosen, chosen + 1))
    change = (at_high - at_low).abs()
    for halving in range(_HALVINGS):
        if halving == _LOOK and not bool(((at_high - at_low).abs() > change / _SMOOTH).any()):
            return None
        between = (low + high) / 2
        at_between = shifted.at(between)
        left = (at_between - at_low).abs() >= (at_high - at_between).abs()
        low, high = torch.where(left, low, between), torch.where(left, between, high)
        at_low = torch.where(left, at_low, at_between)
        at_high = torch.where(left, at_between, at_high)
    jumps = (at_high - at_low).abs() > _LEFT * size
    found = shifted.x.detach().double() + (low + high) / 2
    return torch.where(jumps, found, math.nan) if bool(jumps.any()) else None
