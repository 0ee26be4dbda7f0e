"""Where a function has a kink, two different gradients can both be right.

At z = 0 the ReLU's derivative may be taken as 0, as 1, or as anything between: each is a
subgradient, and PyTorch's own choices differ from one function to the next. So before a difference
is called a fault, the reference is asked whether it is differentiable there at all: its gradient is
taken, in float64, at points all around. Where these gradients stay apart however near the points
come, there is a kink, and what lies between them is a valid subgradient.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from compare.trial.case import Case
from compare.trial.key import Key, Kind
from compare.trial.sides import Sides
from compare.trial.trial import Trial, pairs
from compare.trial.watch import Item
from compare.verdict.judge import BUG, SUBGRADIENT, Row
from compare.verdict.judging import Results

# Steps relative to the numbers that they move. Of a smooth function the gradients around a point
# come a thousand times closer when the step is made a thousand times smaller; at a kink they stay.
_STEP, _SMALLER_STEP = 1e-5, 1e-8
_STILL_APART = 0.1
_NOISE = 1e-6  # relative to the largest gradient, far above the roundings of float64

# Directions, each with its opposite. An element's gradient at a kink depends on which way its own
# number is moved, and on few others: six directions see both sides with certainty, and which of
# several tied numbers comes out largest with good probability.
_DIRECTIONS = 6

# Of a sum over many kinks (a weight's gradient) no direction shows the extremes: double the range.
_MARGIN = 0.5


def at_kinks(results: Results, sides: Sides) -> Results:
    """The judged trials, with what is wrong but a valid subgradient called so."""
    smooth: set[str] = set()  # the kinds of input at which a reference has no kinks
    judged = []
    for trial, rows in results:
        in_question = [r for r in rows if r.verdict == BUG and r.kind != Kind.OUTPUT]
        in_question = [r for r in in_question if r.allowed is not None]
        if in_question and not trial.raised and trial.given.kind not in smooth:
            valid = _subgradients(trial, sides.reference)
            if valid is None:
                smooth.add(trial.given.kind)
            else:
                items = {found.key: (found, at) for found, at in pairs(trial, sides.pairing)}
                excuse = {row.key for row in in_question if row.key and valid(*items[row.key], row)}
                rows = [_as_subgradient(row) if row.key in excuse else row for row in rows]
        judged.append((trial, rows))
    return judged


def _as_subgradient(row: Row) -> Row:
    return replace(row, verdict=SUBGRADIENT, reason="the reference is not differentiable there")


def _subgradients(trial: Trial, reference: Case) -> Callable[[Item, Item, Row], bool] | None:
    """Tells whether each element is rounding, or at a kink and between the gradients around it.

    None where the reference has no kinks anywhere near.
    """
    truth = {item.key: item.tensor for item in trial.truth if item.tensor is not None}
    near, far = _Around(truth), _Around(truth)
    for seed in range(_DIRECTIONS):
        for sign in (1.0, -1.0):
            for around, step in ((near, _SMALLER_STEP), (far, _STEP)):
                around.take(_gradients(trial, reference, sign * step, seed))
        if seed == 0 and not any(near.apart(far, key).any() for key in near.low):
            return None

    def valid(found: Item, expected: Item, row: Row) -> bool:
        if found.tensor is None or row.allowed is None:
            return False
        m, t = found.tensor.double(), truth[expected.key]
        low, high = near.low[expected.key], near.high[expected.key]
        margin = _MARGIN * (high - low) + row.allowed
        between = near.apart(far, expected.key) & (m >= low - margin) & (m <= high + margin)
        return bool((((m - t).abs() <= row.allowed) | between).all())

    return valid


class _Around:
    """The smallest and the largest gradient seen around a point, element by element."""

    def __init__(self, at: dict[Key, Tensor]) -> None:
        self.low = {key: g.clone() for key, g in at.items()}
        self.high = {key: g.clone() for key, g in at.items()}

    def take(self, gradients: dict[Key, Tensor]) -> None:
        for key, g in gradients.items():
            if key in self.low:
                self.low[key] = torch.minimum(self.low[key], g)
                self.high[key] = torch.maximum(self.high[key], g)

    def apart(self, far: "_Around", key: Key) -> Tensor:
        """Where the gradients differ as much on these nearer points as on those far away."""
        width, far_width = self.high[key] - self.low[key], far.high[key] - far.low[key]
        size = torch.maximum(self.high[key].abs(), self.low[key].abs())
        noise = _NOISE * (size.max() if size.numel() else 0.0)
        return (width > _STILL_APART * far_width) & (width > noise)


def _gradients(trial: Trial, reference: Case, step: float, seed: int) -> dict[Key, Tensor]:
    moved = _moved(step, seed)
    model, _ = reference.copies(torch.float64)
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
