"""RNN: the recurrent network as it was first, an affine map of input and state and an activation.

    h_t = σ(x_t W_ihᵀ + h_{t−1} W_hhᵀ + b)       σ is tanh or relu

Backpropagation through time goes from the last step to the first. With η_t the gradient of h_t that
comes in from above, and δ_t = ∂L/∂a_t, a_t being what σ is given:

    ∂L/∂h_t = η_t + δ_{t+1} W_hh
    δ_t = ∂L/∂h_t ⊙ σ′(a_t)                      which h_t tells: 1 − h_t², or whether h_t > 0

    ∂L/∂x = δ W_ih      ∂L/∂W_ih = Σ_t δ_tᵀ x_t      ∂L/∂W_hh = Σ_t δ_tᵀ h_{t−1}      ∂L/∂b = Σ δ

The last line is done once for the whole sequence.

Shapes: x (T, N, I), h, a and δ (T, N, H), W_ih (H, I), W_hh (H, H), b (H), the sum of PyTorch's
two. T counts steps, N samples.

Source: Elman 1990; through time: Werbos 1990.
"""

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import linear

from manual_backprop.activation.table import ACTIVATIONS
from manual_backprop.affine.linear import samples_in_rows
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.sequence.recurrent import run, run_cell
from manual_backprop.sequence.through_time import check_sequence, states_before, steps


class RNNFunction(Function):
    """h of all steps.

    Backward: δ_t = (η_t + δ_{t+1}W_hh) ⊙ σ′(a_t),  ∂L/∂W_hh = Σ δ_tᵀh_{t−1}
    """

    @staticmethod
    def forward(
        input: Tensor,
        h_0: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor | None,
        nonlinearity: str,
        reverse: bool,
    ) -> Tensor:
        σ = ACTIVATIONS[nonlinearity].function
        a = linear(input, weight_ih, bias)
        h, hs = h_0, [h_0] * len(a)
        for t in steps(len(a), reverse):
            hs[t] = h = σ(a[t] + h @ weight_hh.T)
        return torch.stack(hs)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, h_0, weight_ih, weight_hh, _, ctx.nonlinearity, ctx.reverse = inputs
        ctx.save_for_backward(input, h_0, weight_ih, weight_hh, output)

    @staticmethod
    def backward(ctx, grad_output):
        x, h_0, W_ih, W_hh, h = ctx.saved_tensors
        gradient = ACTIVATIONS[ctx.nonlinearity].gradient
        delta = list(grad_output)  # η_t
        from_h = torch.zeros_like(h_0)  # what a step gets from the one after it
        for t in reversed(steps(len(x), ctx.reverse)):
            delta[t] = gradient(delta[t] + from_h, h[t], h[t])  # ∂L/∂h_t ⊙ σ′(a_t)
            from_h = delta[t] @ W_hh

        of_x, of_h_0, of_W_ih, of_W_hh, of_bias, *_ = ctx.needs_input_grad
        δ = torch.stack(delta)
        rows = samples_in_rows(δ)  # (T·N, H)
        h_before = states_before(h_0, h, ctx.reverse)
        return (
            δ @ W_ih if of_x else None,  # ∂L/∂x = δ W_ih
            from_h if of_h_0 else None,  # ∂L/∂h_0 = δ_1 W_hh
            rows.T @ samples_in_rows(x) if of_W_ih else None,  # Σ_t δ_tᵀ x_t
            rows.T @ samples_in_rows(h_before) if of_W_hh else None,  # Σ_t δ_tᵀ h_{t−1}
            rows.sum(0) if of_bias else None,  # Σ δ
            None,
            None,
        )


@public(cpu="lower", cuda="lower")
def rnn(
    input: Tensor,
    h_0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    nonlinearity: str = "tanh",
    reverse: bool = False,
) -> Tensor:
    """h of all steps: one layer of an RNN, in one direction.

    Args:
        input: x, shape (T, N, I).
        h_0: the state before the first step, shape (N, H).
        weight_ih: W_ih, shape (H, I).
        weight_hh: W_hh, shape (H, H).
        bias_ih, bias_hh: shape (H); b is their sum.
        nonlinearity: σ, ``"tanh"`` or ``"relu"``.
        reverse: whether to go from the last x to the first.

    Returns:
        h, shape (T, N, H), each at its x's place.

    Raises:
        ValueError: if the shapes do not fit, or for another nonlinearity.
    """
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"rnn: expected nonlinearity 'tanh' or 'relu', got {nonlinearity!r}")
    check_sequence("rnn", 1, input, weight_ih, weight_hh, h_0)
    biases = [b for b in (bias_ih, bias_hh) if b is not None]
    x, h, W_ih, W_hh, *biases = in_opmath(input, h_0, weight_ih, weight_hh, *biases)
    b = sum(biases) if biases else None
    return RNNFunction.apply(x, h, W_ih, W_hh, b, nonlinearity, reverse).to(input.dtype)


@public(cpu="lower", cuda="lower")
def rnn_cell(
    input: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    nonlinearity: str = "tanh",
) -> Tensor:
    """One step of an RNN: ``rnn`` for input (N, I) and h (N, H); the next h."""
    x = input.unsqueeze(0)
    return rnn(x, h, weight_ih, weight_hh, bias_ih, bias_hh, nonlinearity).squeeze(0)


class RNN(torch.nn.RNN):
    """``torch.nn.RNN`` with a hand-written backward.

    Raises:
        ValueError: if the input has neither two nor three dimensions.
        RuntimeError: (by PyTorch) if the input or the states do not fit.
    """

    def forward(self, input, hx=None):
        return run(self, partial(rnn, nonlinearity=self.nonlinearity), input, hx)


class RNNCell(torch.nn.RNNCell):
    """``torch.nn.RNNCell`` with a hand-written backward.

    Raises:
        ValueError: if the shapes do not fit.
    """

    def forward(self, input, hx=None):
        return run_cell(self, partial(rnn_cell, nonlinearity=self.nonlinearity), input, hx)
