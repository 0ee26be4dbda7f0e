"""Two models trained at once on the same batches, compared at every step.

As long as every loss, gradient and weight is bit for bit the same there is nothing to judge. After
the first difference two right trainings drift apart: ReLU is a step for the gradient, so at some
sample one of the two takes another branch, and no bound on the distance of the weights holds for
any length of training. What can be held against the truth is each gradient. A training with right
gradients and the same optimiser is right, so a difference passes where the gradients pass
``compare_gradients`` on every occasion that ``trainee.Judge`` names.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from compare.comparison.entries import finite
from compare.comparison.report import Report
from compare.training.trainee import Judge, Loss, Trainee, Way
from compare.trial.case import state
from compare.trial.errors import ComparisonError, ManualError, said
from compare.trial.pairing import with_state_of
from compare.trial.randomness import undisturbed
from compare.verdict.bits import same_bits
from compare.verdict.judge import Row, measure

Batch = tuple[Tensor, Tensor]


@dataclass
class Training:
    """The result of two trainings in lockstep: where they first differ, and whether that is a bug.

    ``passed`` is the result; ``bitwise`` says whether every number was the same, bit for bit.
    """

    steps: int = 0
    first_step: int | None = None  # counted from 1
    first: Row | None = None  # what differed first there, in backward order
    max_abs: float = 0.0  # the largest difference of any weight after any step
    report: Report | None = None  # the gradients as last judged
    problem: str = ""  # why there is nothing to be proud of, where no gradient is to blame

    @property
    def bitwise(self) -> bool:
        """Whether every loss, gradient and weight was bit-for-bit identical."""
        return self.steps > 0 and self.first is None

    @property
    def passed(self) -> bool:
        """Whether the two were identical, or differed by no more than rounding explains."""
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


def train_in_lockstep(
    manual: nn.Module,
    reference: nn.Module,
    batches: Iterable[Batch],
    *,
    loss: Loss | tuple[Loss, Loss],
    lr: float = 0.1,
    momentum: float = 0.9,
    warmup: int = 0,
    half_life: int = 0,
    clip: float = 0.0,
    on_step: Callable[[Training], None] = lambda training: None,
    on_gradients: Callable[[int, Trainee, Trainee], None] = lambda step, manual, reference: None,
    way: Way | None = None,
) -> Training:
    """Train copies of both models from the reference's weights, and compare them as they go.

    Args:
        manual: The model to check, with the reference's parameter names.
        reference: The model to trust.
        batches: (inputs, targets), each used once, by both.
        loss: (output, targets) → a tensor of one element; a pair (manual's, reference's) if the two
            losses differ.
        lr: Learning rate of torch.optim.SGD.
        momentum: Momentum of torch.optim.SGD.
        warmup: Number of steps in which the learning rate grows to ``lr``.
        half_life: Number of steps in which it then halves, repeatedly; 0 for never.
        clip: Largest norm of all gradients together; 0 for no limit.
        on_step: Called after each step with the result so far.
        on_gradients: Called with the step, counted from 1, when both sides have their gradients.
        way: How manual computes its gradients, if not by autograd.

    Returns:
        The result. The training ends early at a gradient that is wrong, and when the reference's
        own loss is NaN or infinite.

    Raises:
        ComparisonError: As in ``compare_gradients``, or there are no batches.
        ManualError: Manual raised an error.
    """
    losses = loss if isinstance(loss, tuple) else (loss, loss)
    if not any(True for _ in reference.parameters()):
        raise ComparisonError("the reference has no parameters to train")
    taming = (warmup, half_life, clip)
    m = Trainee(with_state_of(reference, manual), losses[0], lr, momentum, way, *taming)
    a = Trainee(copy.deepcopy(reference), losses[1], lr, momentum, None, *taming)
    training = Training()
    with undisturbed(list(state(reference).values())):
        initial = {name: weight.clone() for name, weight in a.weights.items()}
        _train(training, m, a, batches, on_step, on_gradients)
    if training.steps == 0:
        raise ComparisonError("there are no batches to train on")
    if not training.problem and _same(initial, a.weights):
        training.problem = "nothing was compared: no weight of the reference has moved"
    return training


def _train(
    training: Training,
    m: Trainee,
    a: Trainee,
    batches: Iterable[Batch],
    on_step: Callable[[Training], None],
    on_gradients: Callable[[int, Trainee, Trainee], None],
) -> None:
    judge = Judge(m, a)
    for (x, y), is_last in _mark_last(batches):
        training.steps += 1
        with undisturbed(list(a.weights.values())):  # the same numbers for both
            loss_a = a.differentiate(x, y)
        if not loss_a.isfinite():
            training.problem = (
                f"the reference's own loss is {float(loss_a)} at step {training.steps}, so there "
                "is nothing to compare with: try a smaller learning rate"
            )
            return
        try:
            loss_m = m.differentiate(x, y)
        except Exception as error:
            raise ManualError(f"manual raised at step {training.steps}: {said(error)}") from error
        on_gradients(training.steps, m, a)
        if training.first is None:
            training.first = _first_difference(loss_m, loss_a, m, a)
            training.first_step = training.steps if training.first else None
        if training.first is not None and judge.is_due(x, is_last):
            training.report = judge.report(x, y)
            training.first = _with_verdict(training.first, training.report)
        m.update()
        a.update()
        if training.first is not None:
            distance = _distance(m.weights, a.weights)
            training.max_abs = max(distance, training.max_abs)  # in this order NaN stays
        if training.report is not None and not training.report.passed:
            return
        on_step(training)
    if training.first is None and not _same(m.weights, a.weights):
        training.problem = "the weights differ, although no gradient did"
        training.max_abs = _distance(m.weights, a.weights)


def _first_difference(loss_m: Tensor, loss_a: Tensor, m: Trainee, a: Trainee) -> Row | None:
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
    differences = [ours[name].double() - w.double() for name, w in theirs.items() if w.numel()]
    return float(torch.stack([d.abs().max() for d in differences]).max())
