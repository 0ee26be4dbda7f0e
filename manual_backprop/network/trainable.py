"""What a network can do besides its mathematics: take input, be evaluated, be fitted.

``recursion.py`` has the mathematics. ``fit`` takes steps that are the same but for rounding and
near the limit of the machine: those of ``fused_step.py``, on a GPU recorded (``captured.py``).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from manual_backprop.network import checked_input
from manual_backprop.network.captured import Step, captured
from manual_backprop.network.fused_step import FusedStep
from manual_backprop.network.losses import LOSSES
from manual_backprop.network.parameters import Parameters


class Curves(NamedTuple):
    """Loss and accuracy, in training and in validation: one number after each epoch."""

    training_loss: list[float]
    training_accuracy: list[float]
    validation_loss: list[float]
    validation_accuracy: list[float]


class Trainable(Parameters):
    """Parameters with a forward pass, which is the subclass's."""

    def propagate(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """z¹ … zᴸ and a⁰ … aᴸ of samples that are known to fit."""
        raise NotImplementedError

    def fit(
        self,
        x: Any,
        y: Any,
        *,
        epochs: int,
        batch_size: int | str = 128,
        lr: float = 0.1,
        momentum: float = 0.0,
        momentum_form: str = "torch",
        validation: tuple[Any, Any] | None = None,
        generator: torch.Generator | None = None,
    ) -> Curves:
        """Train on the samples x with the targets y.

        Args:
            x: the samples.
            y: their targets.
            epochs: how often to go through all samples.
            batch_size: samples a step, drawn anew each epoch; ``"full"`` takes all at once.
            lr: the learning rate η.
            momentum: β, see ``step``.
            momentum_form: ``"torch"`` or ``"ema"``, see ``step``.
            validation: samples and targets that are not trained on.
            generator: draws the order of the samples, on the CPU.

        Returns:
            Loss and accuracy after each epoch, on all of x and on the validation samples, if any.
        """
        share = checked_input.gradient_share(lr, momentum, momentum_form)
        checked_input.positive(epochs, "a number of epochs")
        x, y = self._pair(x, y)
        size = checked_input.rows_at_once(batch_size, len(x))
        if validation is not None:
            validation = self._pair(*validation)

        curves = Curves([], [], [], [])
        steps: dict[int, Step] = {}  # the last batch of an epoch may be smaller
        for _ in range(epochs):
            for rows in _batches(x, size, generator):
                samples, targets = x[rows], y[rows]
                m = len(samples)
                if m not in steps:
                    step = partial(FusedStep(self, m), lr=lr, momentum=momentum, share=share)
                    steps[m] = captured(step, x.device)
                steps[m](samples, targets)
            loss, accuracy = self._evaluate(x, y)
            curves.training_loss.append(loss)
            curves.training_accuracy.append(accuracy)
            if validation is not None:
                loss, accuracy = self._evaluate(*validation)
                curves.validation_loss.append(loss)
                curves.validation_accuracy.append(accuracy)
        return curves

    def loss_of(self, y: Any) -> Tensor:
        """L, (), on the device, for the samples of the last forward pass, whose targets are y.

        Raises:
            RuntimeError: if there was no forward pass.
        """
        return self._mean_loss(self.z, self.a, self._targets_of_last_pass(y))

    def loss_value(self, x: Any, y: Any) -> float:
        """L, the mean loss over the samples. Leaves z and a as they are."""
        return self._evaluate(*self._pair(x, y))[0]

    def accuracy(self, x: Any, y: Any) -> float:
        """The share of samples whose largest ŷ is that of the target; with one output, ŷ > ½."""
        return self._evaluate(*self._pair(x, y))[1]

    def _evaluate(self, x: Tensor, y: Tensor) -> tuple[float, float]:
        z, a = self.propagate(x)
        right = _decision(a[-1]) == _decision(y)
        return float(self._mean_loss(z, a, y)), float(right.double().mean())

    def _mean_loss(self, z: list[Tensor], a: list[Tensor], y: Tensor) -> Tensor:
        return LOSSES[self.loss].value(z[-1], a[-1], y).mean()  # L = (1/m) Σₙ Lₙ

    def _samples(self, x: Any) -> Tensor:
        return checked_input.samples(x, self.sizes[0], like=self.weights[0])

    def _targets(self, y: Any, m: int) -> Tensor:
        return checked_input.targets(y, m, self.sizes[-1], self.loss, like=self.weights[0])

    def _targets_of_last_pass(self, y: Any) -> Tensor:
        if not self.a:
            raise RuntimeError("this needs the z and a of a forward pass: call forward first")
        return self._targets(y, len(self.a[0]))

    def _pair(self, x: Any, y: Any) -> tuple[Tensor, Tensor]:
        x = self._samples(x)
        return x, self._targets(y, len(x))


def _batches(x: Tensor, size: int, generator: torch.Generator | None) -> Sequence[Tensor | slice]:
    """The rows of each step of an epoch: a new random order in pieces, or all rows as they lie."""
    if size >= len(x):
        return [slice(None)]
    return torch.randperm(len(x), generator=generator).to(x.device).split(size)


def _decision(y: Tensor) -> Tensor:
    """The class that (m, nᴸ) outputs or targets say, (m)."""
    return y.argmax(1) if y.shape[1] > 1 else y.squeeze(1) > 0.5
