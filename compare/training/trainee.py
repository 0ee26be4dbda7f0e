"""One side of a training in lockstep, and the judge between two."""

import copy
import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from compare.comparison.pair import compare_gradients
from compare.comparison.report import Report
from compare.trial.pairing import with_state_of
from compare.verdict.judge import largest
from torch_models.tamed_descent import prepare

LOOK = 50
JUMP = 4.0

Loss = Callable[[Tensor, Tensor], Tensor]


class Way(Protocol):
    """A way of computing gradients that autograd knows nothing of."""

    def differentiate(self, model: Any, x: Tensor, y: Tensor) -> Tensor:
        """Fill every parameter's ``.grad`` and return the loss."""

    def judge(self, model: Any, x: Tensor, y: Tensor) -> Report:
        """Hold the gradients at the model's weights against the truth."""


class Trainee:
    """A model with its loss and its optimiser: torch.optim.SGD, tamed as ``descent`` does it."""

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        lr: float,
        momentum: float,
        way: Way | None = None,
        warmup: int = 0,
        half_life: int = 0,
        clip: float = 0.0,
    ) -> None:
        self.model, self.loss, self.way = model, copy.deepcopy(loss), way
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
        self.taming = (lr, warmup, half_life, clip)
        self.steps = 0

    @property
    def weights(self) -> dict[str, Tensor]:
        """The parameters themselves, not copies."""
        return {name: p.detach() for name, p in self.model.named_parameters()}

    @property
    def gradients(self) -> dict[str, Tensor]:
        """Of those parameters that have one."""
        named = self.model.named_parameters()
        return {name: p.grad for name, p in named if p.grad is not None}

    def differentiate(self, x: Tensor, y: Tensor) -> Tensor:
        """The loss; the gradients are there afterwards."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.way:
            return self.way.differentiate(self.model, x, y)
        loss = self.loss(self.model(x), y)
        loss.backward()
        return loss.detach()

    def update(self) -> None:
        """Descend by the gradients that are there."""
        prepare(self.optimizer.param_groups, self.steps, *self.taming)
        self.optimizer.step()
        self.steps += 1


class Judge:
    """Holds the gradients of two trainings that are no longer the same against the truth.

    At the first difference, and then

    * whenever they differ ``JUMP`` times as much, relative to their size, as when last judged, so
      that a backward that is wrong at one step only does not hide in the drift;
    * whenever the batch has another shape than the one before;
    * every ``LOOK`` steps, and at the last one.
    """

    def __init__(self, m: Trainee, a: Trainee) -> None:
        self.m, self.a = m, a
        self.steps_since = 0
        self.shape: torch.Size | None = None
        self.distance = 0.0

    def is_due(self, x: Tensor, is_last: bool) -> bool:
        """Asked once for each step from the first difference on."""
        self.steps_since += 1
        new_shape, self.shape = x.shape != self.shape, x.shape
        distance = self._relative_distance()
        calm = distance <= JUMP * self.distance  # False for NaN
        if calm and not new_shape and not is_last and self.steps_since < LOOK:
            return False
        self.steps_since, self.distance = 0, distance
        return True

    def report(self, x: Tensor, y: Tensor) -> Report:
        """Both gradients at manual's weights, against float64."""
        if self.m.way:
            return self.m.way.judge(self.m.model, x, y)
        reference = with_state_of(self.m.model, self.a.model)
        losses = (self.m.loss, self.a.loss)
        return compare_gradients(self.m.model, reference, x, loss=losses, targets=y, layers=False)

    def _relative_distance(self) -> float:
        ours, theirs = self.m.gradients, self.a.gradients
        if ours.keys() != theirs.keys():
            return math.inf
        return max(
            (
                float((ours[name] - g).abs().max()) / (largest(g) or 1.0)
                for name, g in theirs.items()
                if g.numel()
            ),
            default=0.0,
        )
