"""Network: backpropagation as the lecture notes write it, with no autograd anywhere.

Layers l = 1 … L of nˡ neurons, and m samples in the rows of x:

    a⁰ = x                           (m, n⁰)
    zˡ = aˡ⁻¹ Wˡᵀ + bˡ               (m, nˡ)          Wˡ (nˡ, nˡ⁻¹), bˡ (nˡ)
    aˡ = σ(zˡ)                       (m, nˡ)
    ŷ = aᴸ                           (m, nᴸ)          softmax or sigmoid of zᴸ

    L = (1/m) Σₙ Lₙ                                   the loss, a mean over the samples
    δˡ = ∂Lₙ/∂zˡ                     (m, nˡ)          one row for each sample n

    δᴸ = ŷ − y                                        for cross entropy; losses.py has them all
    δˡ = (δˡ⁺¹ Wˡ⁺¹) ⊙ σ′(zˡ)
    ∂L/∂Wˡ = (1/m) δˡᵀ aˡ⁻¹          (nˡ, nˡ⁻¹)
    ∂L/∂bˡ = (1/m) Σₙ δˡₙ            (nˡ)

The notes write the same with other layouts. With a sample as a column (notes 001, 002, 003) every
z, a and δ here is the transpose of theirs and W is the same:

    z = W a + b                      δˡ = (Wˡ⁺¹ᵀ δˡ⁺¹) ⊙ σ′(zˡ)              ∂L/∂W = (1/m) δ aᵀ

With W as (in, out) (note 000) W here is the transpose of theirs too: δˡ = (Wˡ⁺¹ δˡ⁺¹) ⊙ σ′(zˡ) and
∂L/∂W = aˡ⁻¹ (δˡ)ᵀ for one sample in a column.

Source: lecture notes 003 (the recursion, and the mean over samples), 000 and 004 (δᴸ), 001 (the
network 784-160-10, fitting and momentum), 002 (backpropagation equations).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from manual_backprop.activation.table import ACTIVATIONS
from manual_backprop.network import checked_input
from manual_backprop.network.captured import Step, captured
from manual_backprop.network.fused_step import FusedStep
from manual_backprop.network.losses import LOSSES
from manual_backprop.network.parameters import Parameters


class Gradients(NamedTuple):
    """The result of the backward pass. In each list, item 0 belongs to layer 1."""

    deltas: list[Tensor]
    """δˡ, (m, nˡ)."""
    weights: list[Tensor]
    """∂L/∂Wˡ, (nˡ, nˡ⁻¹)."""
    biases: list[Tensor]
    """∂L/∂bˡ, (nˡ)."""


class Curves(NamedTuple):
    """The four curves of note 001: one number after each epoch."""

    training_loss: list[float]
    training_accuracy: list[float]
    validation_loss: list[float]
    validation_accuracy: list[float]


class Network(Parameters):
    """A multilayer perceptron that computes its own gradients.

    Args:
        sizes: n⁰ … nᴸ, inputs first and outputs last: (784, 160, 10) is the notes' network.
        activation: σ of the hidden layers, a name in ``activations.ACTIVATIONS``.
        loss: a name in ``losses.LOSSES``; it implies the output activation.
        dtype: float32 or float64; PyTorch's default if ``None``.
        device: where the weights live; the CPU if ``None``.
        generator: draws the initial weights, on the CPU. They are those of ``torch.nn.Linear``.

    Samples x are rows, (m, n⁰). Targets y are whole-number labels, (m), or one target for each
    output, (m, nᴸ). Both may be anything that ``torch.as_tensor`` takes; they are converted to the
    dtype and device of the weights. Nothing here ever requires a gradient.

    Attributes:
        weights: W¹ … Wᴸ, (nˡ, nˡ⁻¹).
        biases: b¹ … bᴸ, (nˡ).
        z: z¹ … zᴸ of the last forward pass, (m, nˡ).
        a: a⁰ … aᴸ of the last forward pass, (m, nˡ); one more than z.

    Raises:
        ValueError: (every method) for input that does not fit; says what it got and what it wanted.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        loss: str = "cross-entropy",
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        checked_input.choose(ACTIVATIONS, activation, "activation")
        checked_input.choose(LOSSES, loss, "loss")
        super().__init__(sizes, dtype, device, generator)
        if self.sizes[-1] == 1 and LOSSES[loss] is LOSSES["cross-entropy"]:
            raise ValueError(f"{loss} needs at least 2 outputs, got 1: bce takes a single one")
        self.activation, self.loss = activation, loss
        self.z: list[Tensor] = []
        self.a: list[Tensor] = []

    def __repr__(self) -> str:
        return f"Network({self.sizes}, activation={self.activation!r}, loss={self.loss!r})"

    def forward(self, x: Any) -> Tensor:
        """ŷ of the samples x, (m, nᴸ): probabilities. Keeps z and a for the backward pass."""
        self.z, self.a = self._propagate(self._samples(x))
        return self.a[-1]

    def _propagate(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        hidden, output = ACTIVATIONS[self.activation].function, LOSSES[self.loss].output
        functions = [hidden] * (len(self.weights) - 1) + [output]
        z: list[Tensor] = []
        a = [x]
        for W, b, σ in zip(self.weights, self.biases, functions, strict=True):
            z.append(torch.addmm(b, a[-1], W.T))  # zˡ = bˡ + aˡ⁻¹ Wˡᵀ
            a.append(σ(z[-1]))  # aˡ = σ(zˡ)
        return z, a

    def backward(self, y: Any) -> Gradients:
        """The gradients of the loss for the samples of the last forward pass, whose targets are y.

        Raises:
            RuntimeError: if there was no forward pass.
        """
        return self._backpropagate(self._targets_of_last_pass(y))

    def _backpropagate(self, y: Tensor) -> Gradients:
        gradient = ACTIVATIONS[self.activation].gradient
        deltas = [LOSSES[self.loss].delta(self.a[-1], y)]  # δᴸ
        layers_below = list(zip(self.weights[1:], self.z[:-1], self.a[1:-1], strict=True))
        for W_above, z, a in reversed(layers_below):
            deltas.insert(0, gradient(deltas[0] @ W_above, z, a))  # δˡ = (δˡ⁺¹Wˡ⁺¹) ⊙ σ′(zˡ)

        m = len(y)
        weights = [δ.T @ a / m for δ, a in zip(deltas, self.a[:-1], strict=True)]  # (1/m) δˡᵀ aˡ⁻¹
        biases = [δ.sum(0) / m for δ in deltas]  # (1/m) Σₙ δˡₙ
        return Gradients(deltas, weights, biases)

    def step(
        self, x: Any, y: Any, *, lr: float, momentum: float = 0.0, momentum_form: str = "torch"
    ) -> Tensor:
        """One step of gradient descent on the samples x with the targets y.

            v ← βv + ∂L/∂w                momentum_form "torch"
            v ← βv + (1 − β) ∂L/∂w        momentum_form "ema", the notes' form
            w ← w − ηv

        Args:
            x: the samples.
            y: their targets.
            lr: the learning rate η.
            momentum: β. The velocity v of each parameter w starts at 0 and is kept between steps.
            momentum_form: which of the two; ``optim`` derives how they are related.

        Returns:
            The loss before the step, (), on the device.
        """
        share = checked_input.gradient_share(lr, momentum, momentum_form)
        x, y = self._pair(x, y)
        self._descend(x, y, lr, momentum, share)
        return self._mean_loss(self.z, self.a, y)

    def _descend(self, x: Tensor, y: Tensor, lr: float, momentum: float, share: float) -> None:
        self.z, self.a = self._propagate(x)
        _, weights, biases = self._backpropagate(y)
        parameters = self.weights + self.biases
        for w, v, g in zip(parameters, self.velocities, weights + biases, strict=True):
            v.mul_(momentum).add_(g, alpha=share)  # v ← βv + ∂L/∂w, or (1 − β) ∂L/∂w
            w.sub_(v, alpha=lr)  # w ← w − ηv

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
        z, a = self._propagate(x)
        right = _decision(a[-1]) == _decision(y)
        return float(self._mean_loss(z, a, y)), float(right.double().mean())

    def _mean_loss(self, z: list[Tensor], a: list[Tensor], y: Tensor) -> Tensor:
        return LOSSES[self.loss].value(z[-1], a[-1], y).mean()  # L = (1/m) Σₙ Lₙ

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """Move to a device, convert to float32 or float64, or both; z and a are forgotten."""
        self.z, self.a = [], []
        return super().to(device, dtype)

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
