"""The step of gradient descent near its limit: the same recursion, and next to nothing allocated.

    zˡ = bˡ + aˡ⁻¹ Wˡᵀ                       into a buffer that is kept
    δˡ = (δˡ⁺¹ Wˡ⁺¹) ⊙ σ′(zˡ)                the product into a buffer that is kept
    vˡ ← β vˡ + (s/m) δˡᵀ aˡ⁻¹               one product, which adds itself to the velocity
    w ← w − η v                              all parameters at once

``Network.step`` writes the same as its equations stand. Here the gradient ∂L/∂W = (1/m) δᵀ a never
exists by itself, since a matrix product can add its result to what is there already. The factor
s/m is rounded once instead of with every element, so the two differ in the last bits.

s is the gradient's share in the velocity, 1 or 1 − β; shapes and the rest as in ``recursion.py``.

Source: lecture notes "The MNIST network by hand" (momentum) and "Backpropagation" (the recursion).
"""

import torch
from torch import Tensor

from manual_backprop.activation.table import ACTIVATIONS
from manual_backprop.network.losses import LOSSES
from manual_backprop.network.parameters import Parameters

_aten = torch.ops.aten

# a = σ(z) into a buffer: the kernels behind the functions of ``activation.table.ACTIVATIONS``.
_INTO = {
    "relu": _aten.relu.out,
    "leaky-relu": _aten.leaky_relu.out,
    "elu": _aten.elu.out,
    "sigmoid": _aten.sigmoid.out,
    "tanh": _aten.tanh.out,
    "softplus": _aten.softplus.out,
    "silu": _aten.silu.out,
    "gelu": _aten.gelu.out,
    "identity": _aten.clone.out,
}


class FusedStep:
    """Steps of one network on batches of m samples.

    Args:
        parameters: the network's; weights, biases and velocities are changed in place.
        m: the number of samples of every batch.
    """

    def __init__(self, parameters: Parameters, m: int) -> None:
        self.weights, self.biases = parameters.weights, parameters.biases
        layers, velocities = len(self.weights), parameters.velocities
        self.v_weights, self.v_biases = velocities[:layers], velocities[layers:]
        like = self.weights[0]
        widths = [len(W) for W in self.weights]
        self.z, self.a, self.delta = ([like.new_empty(m, n) for n in widths] for _ in range(3))
        self.ones = like.new_ones(m)
        self.activate = _INTO[parameters.activation]
        self.through_σ = ACTIVATIONS[parameters.activation].gradient
        self.is_relu = parameters.activation == "relu"
        self.loss = LOSSES[parameters.loss]
        self.W_T = [W.T for W in self.weights]

    def __call__(
        self, x: Tensor, y: Tensor, lr: float, momentum: float, share: float
    ) -> tuple[Tensor, Tensor]:
        """w ← w − ηv with v ← βv + s ∂L/∂w.

        Args:
            x: samples, (m, n⁰), checked by the caller.
            y: targets, (m, nᴸ), likewise.
            lr: η.
            momentum: β.
            share: s.

        Returns:
            zᴸ, (m, nᴸ), whose memory the next step overwrites, and ŷ, (m, nᴸ), before the step.
        """
        self.forward(x)
        self.backward(y)
        self.update(x, lr, momentum, share)
        return self.z[-1], self.a[-1]

    def forward(self, x: Tensor) -> None:
        """z and a of every layer."""
        below, last = x, len(self.weights) - 1
        for i in range(last + 1):
            torch.addmm(self.biases[i], below, self.W_T[i], out=self.z[i])  # zˡ = bˡ + aˡ⁻¹ Wˡᵀ
            if i < last:
                self.activate(self.z[i], out=self.a[i])  # aˡ = σ(zˡ)
                below = self.a[i]
        self.a[last] = self.loss.output(self.z[last])  # ŷ

    def backward(self, y: Tensor) -> None:
        """δ of every layer."""
        δ = self.delta
        δ[-1] = self.loss.delta(self.a[-1], y)  # δᴸ
        for i in reversed(range(len(δ) - 1)):
            torch.mm(δ[i + 1], self.weights[i + 1], out=δ[i])  # δˡ⁺¹ Wˡ⁺¹ …
            self._times_derivative(i)  # … ⊙ σ′(zˡ)

    def update(self, x: Tensor, lr: float, momentum: float, share: float) -> None:
        """v and w of every layer; ∂L/∂W is formed in v itself."""
        for i, δ in enumerate(self.delta):
            below = self.a[i - 1] if i else x
            self.v_weights[i].addmm_(δ.T, below, beta=momentum, alpha=share / len(x))
            self.v_biases[i].addmv_(δ.T, self.ones, beta=momentum, alpha=share / len(x))
        torch._foreach_add_(
            self.weights + self.biases, self.v_weights + self.v_biases, alpha=-lr
        )  # w ← w − ηv

    def _times_derivative(self, i: int) -> None:
        δ, z = self.delta[i], self.z[i]
        if self.is_relu:  # 0 where z ≤ 0, in one pass and without a mask
            _aten.threshold_backward.grad_input(δ, z, 0, grad_input=δ)
        else:
            self.delta[i] = self.through_σ(δ, z, self.a[i])
