"""LSTM: a recurrent network with a memory that it adds to, instead of computing it anew.

    a_t = x_t W_ihᵀ + h_{t−1} W_hhᵀ + b          four blocks: a^i, a^f, a^g, a^o
    i = σ(a^i)   f = σ(a^f)   g = tanh(a^g)   o = σ(a^o)
    c_t = f ⊙ c_{t−1} + i ⊙ g                    the memory
    h_t = o ⊙ tanh c_t                           the output

Backpropagation through time goes from the last step to the first. With η_t and γ_t the gradients
of h_t and c_t that come in from above, and δ_t = ∂L/∂a_t:

    ∂L/∂h_t = η_t + δ_{t+1} W_hh
    ∂L/∂c_t = γ_t + ∂L/∂c_{t+1} ⊙ f_{t+1} + ∂L/∂h_t ⊙ o(1 − tanh² c_t)
    δ_t = (∂L/∂c_t ⊙ g i(1 − i),  ∂L/∂c_t ⊙ c_{t−1} f(1 − f),
           ∂L/∂c_t ⊙ i(1 − g²),  ∂L/∂h_t ⊙ tanh c_t o(1 − o))

    ∂L/∂x = δ W_ih      ∂L/∂W_ih = Σ_t δ_tᵀ x_t      ∂L/∂W_hh = Σ_t δ_tᵀ h_{t−1}      ∂L/∂b = Σ δ

The last line is done once for the whole sequence. The gates are kept.

Shapes: x (T, N, I), h and c (T, N, H), a and δ (T, N, 4H), W_ih (4H, I), W_hh (4H, H), b (4H), the
sum of PyTorch's two. T counts steps, N samples.

Source: Hochreiter, Schmidhuber 1997; the gate f: Gers, Schmidhuber, Cummins 2000; through time:
Werbos 1990.
"""

import torch
from torch import Tensor
from torch.nn.functional import linear

from manual_backprop.affine.linear import samples_in_rows
from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public
from manual_backprop.sequence.recurrent import run, run_cell
from manual_backprop.sequence.through_time import check_sequence, states_before, steps


class LSTMFunction(Function):
    """h and c of all steps; and the gates, so that what is kept can be differentiated again.

    Backward: ∂L/∂h_t = η_t + δ_{t+1}W_hh,  ∂L/∂c_t = γ_t + ∂L/∂c_{t+1} ⊙ f_{t+1} +
    ∂L/∂h_t ⊙ o(1 − tanh²c_t),  ∂L/∂W_hh = Σ δ_tᵀh_{t−1}
    """

    @staticmethod
    def forward(
        input: Tensor,
        h_0: Tensor,
        c_0: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias: Tensor | None,
        reverse: bool,
    ) -> tuple[Tensor, ...]:
        a = linear(input, weight_ih, bias)
        h, c = h_0, c_0
        each: list[tuple[Tensor, ...]] = [()] * len(a)
        for t in steps(len(a), reverse):
            i, f, g, o = torch.addmm(a[t], h, weight_hh.T).chunk(4, -1)
            # tanh takes twice as long on the slice itself, which is not contiguous.
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.contiguous().tanh(), o.sigmoid()
            c = f * c + i * g
            h = o * c.tanh()
            each[t] = h, c, i, f, g, o
        return tuple(torch.stack(of_all_steps) for of_all_steps in zip(*each, strict=True))

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, h_0, c_0, W_ih, W_hh, _, ctx.reverse = inputs
        h, c, *gates = output
        # A single step starts from h_0 and c_0 alone.
        before = (h, c) if len(x) > 1 else (None, None)
        ctx.save_for_backward(x, h_0, c_0, W_ih, W_hh, *before, *gates)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, grad_h, grad_c, *grad_gates):
        x, h_0, c_0, W_ih, W_hh, h, c, i, f, g, o = ctx.saved_tensors
        h_before, c_before = states_before(h_0, h, ctx.reverse), states_before(c_0, c, ctx.reverse)
        tanh_c = (f * c_before + i * g if c is None else c).tanh()
        # Nothing of this depends on another step, so it is computed for all of them at once: the
        # factors of ∂L/∂c_t (three) and ∂L/∂h_t in δ_t, and that of ∂L/∂h_t in ∂L/∂c_t.
        each = g * i * (1 - i), c_before * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)
        slopes, slope_of_h = torch.cat(each, -1), o * (1 - tanh_c * tanh_c)
        more = None
        if any(d is not None for d in grad_gates):  # only in a second derivative
            of_gates = i * (1 - i), f * (1 - f), 1 - g * g, o * (1 - o)
            more = torch.cat(
                [
                    torch.zeros_like(s) if d is None else d * s
                    for d, s in zip(grad_gates, of_gates, strict=True)
                ],
                -1,
            )

        delta = [x[0]] * len(x)
        from_h = from_c = torch.zeros_like(h_0)  # what a step gets from the one after it
        η, γ = (from_h.expand(h_before.shape) if d is None else d for d in (grad_h, grad_c))
        for t in reversed(steps(len(x), ctx.reverse)):
            dh = η[t] + from_h  # ∂L/∂h_t
            dc = γ[t] + from_c + dh * slope_of_h[t]  # ∂L/∂c_t
            delta[t] = torch.cat((dc, dc, dc, dh), -1) * slopes[t]
            if more is not None:
                delta[t] = delta[t] + more[t]
            from_h, from_c = delta[t] @ W_hh, dc * f[t]

        of_x, of_h_0, of_c_0, of_W_ih, of_W_hh, of_bias, _ = ctx.needs_input_grad
        δ = torch.stack(delta)
        rows = samples_in_rows(δ)  # (T·N, 4H)
        return (
            δ @ W_ih if of_x else None,  # ∂L/∂x = δ W_ih
            from_h if of_h_0 else None,  # ∂L/∂h_0 = δ_1 W_hh
            from_c if of_c_0 else None,  # ∂L/∂c_0 = ∂L/∂c_1 ⊙ f_1
            rows.T @ samples_in_rows(x) if of_W_ih else None,  # Σ_t δ_tᵀ x_t
            rows.T @ samples_in_rows(h_before) if of_W_hh else None,  # Σ_t δ_tᵀ h_{t−1}
            rows.sum(0) if of_bias else None,  # Σ δ
            None,
        )


@public(cpu="lower", cuda="lower")
def lstm(
    input: Tensor,
    h_0: Tensor,
    c_0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """h and c of all steps: one layer of an LSTM, in one direction.

    Args:
        input: x, shape (T, N, I).
        h_0: the state before the first step, shape (N, H).
        c_0: the memory before it, shape (N, H).
        weight_ih: W_ih, shape (4H, I); its blocks are those of i, f, g and o.
        weight_hh: W_hh, shape (4H, H).
        bias_ih, bias_hh: both or none, shape (4H); b is their sum.
        reverse: whether to go from the last x to the first.

    Returns:
        h and c, shape (T, N, H), each at its x's place.

    Raises:
        ValueError: if the shapes do not fit.
    """
    check_sequence("lstm", 4, input, weight_ih, weight_hh, h_0, c_0)
    biases = [b for b in (bias_ih, bias_hh) if b is not None]
    x, h, c, W_ih, W_hh, *biases = in_opmath(input, h_0, c_0, weight_ih, weight_hh, *biases)
    b = sum(biases) if biases else None
    h, c, *_ = LSTMFunction.apply(x, h, c, W_ih, W_hh, b, reverse)
    return h.to(input.dtype), c.to(input.dtype)


@public(cpu="float32", cuda="lower")
def lstm_cell(
    input: Tensor,
    h: Tensor,
    c: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: ``lstm`` for input (N, I), h and c (N, H); the next h and c."""
    h, c = lstm(input.unsqueeze(0), h, c, weight_ih, weight_hh, bias_ih, bias_hh)
    return h.squeeze(0), c.squeeze(0)


class LSTM(torch.nn.LSTM):
    """``torch.nn.LSTM`` with a hand-written backward; without projections.

    Raises:
        ValueError: if the input has neither two nor three dimensions, or for ``proj_size``.
        RuntimeError: (by PyTorch) if the input or the states do not fit.
    """

    def forward(self, input, hx=None):
        return run(self, lstm, input, hx)


class LSTMCell(torch.nn.LSTMCell):
    """``torch.nn.LSTMCell`` with a hand-written backward.

    Raises:
        ValueError: if the shapes do not fit.
    """

    def forward(self, input, hx=None):
        return run_cell(self, lstm_cell, input, hx)
