"""Two models trained at once on the same batches, compared at every step.

As long as every loss, gradient and weight is bit for bit the same there is nothing to judge. After
the first difference two right trainings drift apart: ReLU is a step for the gradient, so at some
sample one of the two takes another branch, and no bound on the distance of the weights holds for
any length of training. What can be held against the truth is each gradient. A training with right
gradients and the same optimiser is right, so a difference passes where the gradients pass
``compare_gradients`` (both at manual's weights, against float64):

* at the step where the two first differ;
* whenever they differ ``JUMP`` times as much, relative to their size, as when last judged, so that
  a backward that is wrong at one step only does not hide in the drift;
* whenever the batch has another shape than the one before;
* every ``LOOK`` steps, and at the last one.
"""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from compare.bits import same_bits
from compare.pair import ComparisonError, ManualError, compare_gradients, said, with_state_of
from compare.report import Report, finite
from compare.verdict import Row, largest, measure

LOOK = 50
JUMP = 4.0

Loss = Callable[[Tensor, Tensor], Tensor]
Batch = tuple[Tensor, Tensor]


@dataclass
class Training:
    """How far two trainings stayed the same."""

    steps: int = 0
    first_step: int | None = None  # counted from 1
    first: Row | None = None  # what differed first there, in backward order
    max_abs: float = 0.0  # the largest difference of any weight after any step
    report: Report | None = None  # the gradients as last judged
    problem: str = ""  # why there is nothing to be proud of, where no gradient is to blame

    @property
    def bitwise(self) -> bool:
        """Whether every loss, gradient and weight was bit for bit the same."""
        return self.steps > 0 and self.first is None

    @property
    def passed(self) -> bool:
        """Whether the two were the same, but for differences that are judged to be rounding."""
        judged = self.bitwise or (self.report is not None and self.report.passed)
        return judged and not self.problem

    def as_json(self) -> dict[str, Any]:
        """Strict JSON: what is infinite or no number is null."""
        first = None
        if self.first is not None:
            row = self.first
            first = {
                "step": self.first_step,
                "tensor": row.name,
                "max_abs": finite(row.max_abs),
                "max_rel": finite(row.max_rel),
                "max_ulp": row.max_ulp,
                "index": row.index,
                "verdict": row.verdict,
            }
        return {
            "passed": self.passed,
            "steps": self.steps,
            "bitwise": self.bitwise,
            "first_difference": first,
            "max_abs": finite(self.max_abs),
        }


class _Side:
    """A model with its loss and its optimiser: plain torch.optim.SGD."""

    def __init__(self, model: nn.Module, loss: Loss, lr: float, momentum: float) -> None:
        self.model, self.loss = model, copy.deepcopy(loss)
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)

    @property
    def weights(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in self.model.named_parameters()}

    @property
    def gradients(self) -> dict[str, Tensor]:
        named = self.model.named_parameters()
        return {name: p.grad for name, p in named if p.grad is not None}

    def differentiate(self, x: Tensor, y: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.model(x), y)
        loss.backward()
        return loss.detach()


def train_in_lockstep(
    manual: nn.Module,
    reference: nn.Module,
    batches: Iterable[Batch],
    *,
    loss: Loss | tuple[Loss, Loss],
    lr: float = 0.1,
    momentum: float = 0.9,
    on_step: Callable[[Training], None] = lambda training: None,
) -> Training:
    """Train copies of both models from the reference's weights, and compare them as they go.

    Args:
        manual: The one in question, parameters named as the reference's.
        reference: The one that is trusted.
        batches: (inputs, targets), each used once, by both.
        loss: (output, targets) → scalar; a pair (manual's, reference's) where they differ.
        lr: Learning rate of torch.optim.SGD.
        momentum: Of the same.
        on_step: Called after each step with the state of affairs.

    Returns:
        What was found. The training ends early at a gradient that is wrong, and when the
        reference's own loss is NaN or infinite.

    Raises:
        ComparisonError: See ``compare_gradients``; and where there are no batches.
        ManualError: Manual raised.
    """
    losses = loss if isinstance(loss, tuple) else (loss, loss)
    m = _Side(with_state_of(reference, manual), losses[0], lr, momentum)
    a = _Side(copy.deepcopy(reference), losses[1], lr, momentum)
    initial = {name: weight.clone() for name, weight in a.weights.items()}
    training, judge = Training(), _Judge(m, a)

    for (x, y), is_last in _mark_last(batches):
        training.steps += 1
        random_state = torch.get_rng_state()
        loss_a = a.differentiate(x, y)
        if not loss_a.isfinite():
            training.problem = (
                f"the reference's own loss is {float(loss_a)} at step {training.steps}, so there "
                "is nothing to compare with: try a smaller learning rate"
            )
            return training
        torch.set_rng_state(random_state)
        try:
            loss_m = m.differentiate(x, y)
        except Exception as error:
            raise ManualError(f"manual raised at step {training.steps}: {said(error)}") from error
        if training.first is None:
            training.first = _first_difference(loss_m, loss_a, m, a)
            training.first_step = training.steps if training.first else None
        if training.first is not None and judge.is_due(x, is_last):
            training.report = judge.report(x, y)
            training.first = _with_verdict(training.first, training.report)
            if not training.report.passed:
                return training
        m.optimizer.step()
        a.optimizer.step()
        if training.first is not None:
            training.max_abs = max(training.max_abs, _distance(m.weights, a.weights))
        on_step(training)

    if training.steps == 0:
        raise ComparisonError("there are no batches to train on")
    if training.first is None and not _same(m.weights, a.weights):
        training.problem = "the weights differ, although no gradient did"
        training.max_abs = _distance(m.weights, a.weights)
    if _same(initial, a.weights):
        training.problem = "nothing was compared: no weight of the reference has moved"
    return training


class _Judge:
    """When to hold the gradients against the truth, and doing it."""

    def __init__(self, m: _Side, a: _Side) -> None:
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
        reference = with_state_of(self.m.model, self.a.model)
        losses = (self.m.loss, self.a.loss)
        return compare_gradients(self.m.model, reference, x, loss=losses, targets=y)

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


def _first_difference(loss_m: Tensor, loss_a: Tensor, m: _Side, a: _Side) -> Row | None:
    """What differs first in the order of computation, None if all is bit for bit the same."""
    tensors: list[tuple[str, str, Tensor | None, Tensor | None]]
    tensors = [("loss", "output", loss_m, loss_a)]
    modules = {name.rpartition(".")[0]: None for name in a.weights}
    for module in reversed(modules):
        for name in (name for name in a.weights if name.rpartition(".")[0] == module):
            ours, theirs = m.gradients.get(name), a.gradients.get(name)
            tensors.append((f"{name} gradient", "parameter", ours, theirs))
    for name, kind, ours, theirs in tensors:
        if ours is None and theirs is None:
            continue
        if ours is None or theirs is None or not same_bits(ours, theirs):
            return measure(name, kind, ours, theirs)
    return None


def _with_verdict(first: Row, report: Report) -> Row:
    """The first difference, with what the report has to say about that tensor."""
    for row in report.rows:
        if not first.verdict and row.name == first.name.removesuffix(" gradient"):
            return replace(first, verdict=row.verdict)
    return first


def _mark_last(batches: Iterable[Batch]) -> Iterator[tuple[Batch, bool]]:
    waiting: Batch | None = None
    for batch in batches:
        if waiting is not None:
            yield waiting, False
        waiting = batch
    if waiting is not None:
        yield waiting, True


def _same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return all(same_bits(ours[name], weight) for name, weight in theirs.items())


def _distance(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    return max(largest(ours[name].double() - w.double()) for name, w in theirs.items())
