"""Where a function has a kink, two different gradients can both be right.

At z = 0 the ReLU's derivative may be taken as 0, as 1, or as anything between: each is a
subgradient, and PyTorch's own choices differ from one function to the next. So before a difference
is called a fault, the reference is asked whether it is differentiable there at all: its gradient is
taken, in float64, at points all around. Where these gradients stay apart however near the points
come, there is a kink, and what lies in their convex hull is a valid subgradient.

The hull is known by two things. Each number lies between the smallest and the largest seen. And a
sum that is the same in all gradients around is the same in every one of the hull: of a row's
maximum with two tied elements, the gradient may go to either, or in part to both, but all of it has
to go somewhere.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, combinations, product

import torch
from torch import Tensor

from compare.trial.case import Case
from compare.trial.key import Key
from compare.trial.trial import Trial

# Steps relative to the numbers that they move. Of a smooth function the gradients around a point
# come a thousand times closer when the step is made a thousand times smaller; at a kink they stay.
_STEP, _SMALLER_STEP = 1e-5, 1e-8
_STILL_APART = 0.1
_NOISE = 1e-6  # relative to the largest gradient, far above the roundings of float64

# Directions, each with its opposite. An element's gradient at a kink depends on which way its own
# number is moved, and on few others: six directions see both sides with certainty, and which of
# several tied numbers comes out largest with good probability.
_DIRECTIONS = 6
# Where many are tied, some gradients around are not among those: before anybody is accused, more.
_MORE_DIRECTIONS = 48

# A number that several kinks have a part in takes many values, and no direction shows the
# extremes: double their range. One that a single kink decides takes two, and these are its range.
_MARGIN = 0.5


class Kinks:
    """The gradients around the point of a trial, near and a little further away."""

    def __init__(self, near: dict[Key, Tensor], far: dict[Key, Tensor]) -> None:
        self._near, self._far = near, far  # each tensor with one more dimension, the points

    @classmethod
    def around(cls, trial: Trial, reference: Case, *, sure: bool = False) -> "Kinks | None":
        """None where the reference has no kinks anywhere near; ``sure`` looks all around for one.

        A single direction and its opposite may keep the order of what is tied.
        """
        truth = {item.key: item.tensor for item in trial.truth if item.tensor is not None}
        near, far = ({key: [t] for key, t in truth.items()} for _ in range(2))
        for seed in range(_DIRECTIONS):
            for sign in (1.0, -1.0):
                for points, step in ((near, _SMALLER_STEP), (far, _STEP)):
                    _add(points, trial, reference, sign * step, seed)
            if seed == 0 and not sure:
                first = cls(_stacked(near), _stacked(far))
                if not any(first.at(key).any() for key in truth):
                    return None
        return cls(_stacked(near), _stacked(far))

    def looked_at_longer(self, trial: Trial, reference: Case) -> "Kinks":
        """The same, with more points near."""
        near = {key: list(points) for key, points in self._near.items()}
        for seed in range(_DIRECTIONS, _DIRECTIONS + _MORE_DIRECTIONS):
            _add(near, trial, reference, _SMALLER_STEP, seed)
        return Kinks(_stacked(near), self._far)

    def at(self, key: Key, allowed: float | Tensor = 0.0) -> Tensor:
        """Which elements of this gradient jump, by more than is allowed as rounding.

        On the nearer points they differ as much as on those away.
        """
        near, far = self._near[key], self._far[key]
        size = near.abs().max() if near.numel() else near.new_zeros(())
        width = near.amax(0) - near.amin(0)
        far_width = far.amax(0) - far.amin(0)
        return (width > _STILL_APART * far_width) & (width > _NOISE * size) & (width > allowed)

    def between(self, key: Key, m: Tensor, allowed: float) -> Tensor:
        """Which elements of ``m`` lie between those around; ``allowed`` is rounding."""
        near = self._near[key]
        low, high = near.amin(0), near.amax(0)
        width = high - low
        around = near[1:]  # the first is at the point itself, where autograd may take the middle
        tight = ((around - low) <= _NOISE * width) | ((high - around) <= _NOISE * width)
        margin = torch.where(tight.all(0), 0.0, _MARGIN * width) + allowed
        return (m >= low - margin) & (m <= high + margin)

    def keeps_sums(self, key: Key, m: Tensor, allowed: float) -> bool:
        """Whether every sum over whole dimensions that is constant around is so in ``m``."""
        near = self._near[key]
        width = near.amax(0) - near.amin(0)
        dims = range(m.dim())
        for over in chain.from_iterable(combinations(dims, n) for n in range(1, m.dim() + 1)):
            sums = near.sum([d + 1 for d in over])
            constant = sums.amax(0) - sums.amin(0) <= _NOISE * width.sum(over)
            rounding = allowed * near[0].numel() / max(sums[0].numel(), 1)
            off = (m.sum(over) - sums[0]).abs() > rounding
            if bool((constant & off).any()):
                return False
        return True

    def keeps_balance(self, key: Key, m: Tensor, others: dict[Key, Tensor], allowed: float) -> bool:
        """Whether what ``m`` and the gradient to another tensor have in all to give, they give.

        Of the larger of two numbers, x and y, the gradients to both together are what comes in.
        """
        near = self._near[key]
        width = near.amax(0) - near.amin(0)
        for other, theirs in others.items():
            if other == key or other not in self._near or theirs.shape != m.shape:
                continue
            sums = near + self._near[other]
            constant = sums.amax(0) - sums.amin(0) <= _NOISE * width
            off = (m + theirs - sums[0]).abs() > 2 * allowed
            if bool((constant & (width > allowed) & off).any()):
                return False
        return True


def gradients_around(trial: Trial, reference: Case) -> list[dict[Key, Tensor]]:
    """Outputs and gradients at a few points near, up and down; none that the reference refuses."""
    found = []
    for seed, sign in product(range(2), (1.0, -1.0)):
        with suppress(RuntimeError, ValueError):
            found.append(_gradients(trial, reference, sign * _STEP, seed))
    return found


def _stacked(points: dict[Key, list[Tensor]]) -> dict[Key, Tensor]:
    return {key: torch.stack(seen) for key, seen in points.items()}


def _add(
    points: dict[Key, list[Tensor]], trial: Trial, reference: Case, step: float, seed: int
) -> None:
    """The gradients at one more point."""
    try:
        found = _gradients(trial, reference, step, seed)
    except (RuntimeError, ValueError):
        return  # the reference does not take it: no probability is above 1
    for key, g in found.items():
        if key in points and g.shape == points[key][0].shape:
            points[key].append(g)


def _gradients(trial: Trial, reference: Case, step: float, seed: int) -> dict[Key, Tensor]:
    moved = _moved(step, seed)
    model, _ = reference.copies(torch.float64, awake=trial.given.awake)
    parameters: dict[str, Tensor] = dict(getattr(model, "named_parameters", dict)())
    items, _ = reference.gradients(
        trial.given.map(lambda x: next(moved)(x) if x.requires_grad else x.detach()),
        [c.double() for c in trial.fed_in],
        torch.float64,
        parameters={name: next(moved)(p.detach()) for name, p in parameters.items()},
    )
    return {item.key: item.tensor for item in items if item.tensor is not None}


def _moved(step: float, seed: int) -> Iterator[Callable[[Tensor], Tensor]]:
    """For one tensor after the other the function that moves it."""
    generator = torch.Generator().manual_seed(seed)

    def move(x: Tensor) -> Tensor:
        x = x.double()
        way = torch.rand(x.shape, generator=generator, dtype=torch.float64) + 0.5
        sign = torch.randint(2, x.shape, generator=generator, dtype=torch.float64) * 2 - 1
        return x + step * x.abs().clamp(min=1.0) * (way * sign).to(x.device)

    while True:
        yield move
