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

Most notes have a sample as a column, so that z, a and δ are transposed, and W is the same:
z = W a + b, δˡ = (Wˡ⁺¹ᵀ δˡ⁺¹) ⊙ σ′(zˡ), ∂L/∂W = (1/m) δ aᵀ. Two have W as (in, out), too:
δˡ = (Wˡ⁺¹ δˡ⁺¹) ⊙ σ′(zˡ), ∂L/∂W = aˡ⁻¹ (δˡ)ᵀ.

Source: lecture notes "Backpropagation" (the recursion, and the mean over samples), "Deep Learning"
(backpropagation equations), "How results change with the loss function" (δᴸ), "The MNIST network by
hand" (the network 784-160-10 and momentum).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from manual_backprop.activation.table import ACTIVATIONS
from manual_backprop.network import checked_input
from manual_backprop.network.losses import LOSSES
from manual_backprop.network.shown import shown
from manual_backprop.network.trainable import Trainable


class Gradients(NamedTuple):
    """The result of the backward pass. In each list, item 0 belongs to layer 1."""

    deltas: list[Tensor]
    """δˡ, (m, nˡ)."""
    weights: list[Tensor]
    """∂L/∂Wˡ, (nˡ, nˡ⁻¹)."""
    biases: list[Tensor]
    """∂L/∂bˡ, (nˡ)."""

    def __repr__(self) -> str:
        return shown(*self)


class Network(Trainable):
    """A multilayer perceptron that computes its own gradients.

    Args:
        sizes: n⁰ … nᴸ, inputs first and outputs last: (784, 160, 10) is the notes' network.
        activation: σ of the hidden layers, a name in ``activation.table.ACTIVATIONS``.
        loss: a name in ``losses.LOSSES``; it implies the output activation.
        dtype: float32 or float64; PyTorch's default if ``None``.
        device: where the weights live; the CPU if ``None``.
        generator: draws the initial weights, on the CPU. They are those of ``torch.nn.Linear``.

    Samples x are rows, (m, n⁰). Targets y are whole-number labels, (m), or one target for each
    output, (m, nᴸ). Both may be anything that ``torch.as_tensor`` takes; they are converted to the
    dtype and device of the weights.

    Attributes:
        weights, biases: W¹ … Wᴸ, (nˡ, nˡ⁻¹), and b¹ … bᴸ, (nˡ).
        z, a: z¹ … zᴸ and a⁰ … aᴸ of the last forward pass, (m, nˡ).

    Raises:
        ValueError: (every method) for input that does not fit; says what it got and what it wanted.
    """

    def forward(self, x: Any) -> Tensor:
        """ŷ of the samples x, (m, nᴸ): probabilities. Keeps z and a for the backward pass."""
        self.z, self.a = self.propagate(self._samples(x))
        return self.a[-1]

    def propagate(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """z¹ … zᴸ and a⁰ … aᴸ of samples that are known to fit."""
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
        return self.backpropagate(self._targets_of_last_pass(y))

    def backpropagate(self, y: Tensor) -> Gradients:
        """The same for targets that are known to fit."""
        through_σ = ACTIVATIONS[self.activation].gradient  # (g, z, a) ↦ g ⊙ σ′(z)
        W, z, a, m = self.weights, self.z, self.a, len(y)
        δ = [LOSSES[self.loss].delta(a[-1], y)]  # δᴸ
        for l in reversed(range(len(W) - 1)):
            δ.insert(0, through_σ(δ[0] @ W[l + 1], z[l], a[l + 1]))  # δˡ = (δˡ⁺¹ Wˡ⁺¹) ⊙ σ′(zˡ)
        return Gradients(
            deltas=δ,
            weights=[δ[l].T @ a[l] / m for l in range(len(W))],  # ∂L/∂Wˡ = (1/m) δˡᵀ aˡ⁻¹
            biases=[δ[l].sum(0) / m for l in range(len(W))],  # ∂L/∂bˡ = (1/m) Σₙ δˡₙ
        )

    def step(
        self, x: Any, y: Any, *, lr: float, momentum: float = 0.0, momentum_form: str = "torch"
    ) -> Tensor:
        """One step of gradient descent; returns the loss before it, (), on the device.

            v ← βv + ∂L/∂w                momentum_form "torch"
            v ← βv + (1 − β) ∂L/∂w        momentum_form "ema", the notes' form
            w ← w − ηv                    η is lr, β is momentum

        The velocity v of each parameter w starts at 0 and is kept between steps. ``optim`` derives
        how the two forms are related. ``fit`` takes the fused steps of ``fused_step.py`` instead.
        """
        share = checked_input.gradient_share(lr, momentum, momentum_form)
        x, y = self._pair(x, y)
        self.descend(x, y, lr, momentum, share)
        return self._mean_loss(self.z, self.a, y)

    def descend(self, x: Tensor, y: Tensor, lr: float, momentum: float, share: float) -> None:
        """The step itself, on samples and targets that are known to fit."""
        self.z, self.a = self.propagate(x)
        _, weights, biases = self.backpropagate(y)
        parameters = self.weights + self.biases
        for w, v, g in zip(parameters, self.velocities, weights + biases, strict=True):
            v.mul_(momentum).add_(g, alpha=share)  # v ← βv + ∂L/∂w, or (1 − β) ∂L/∂w
            w.sub_(v, alpha=lr)  # w ← w − ηv
