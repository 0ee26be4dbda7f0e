"""GRU: a recurrent network whose new state is a mean of the old one and of a candidate.

    a_t = x_t W_ihᵀ + b_ih     u_t = h_{t−1} W_hhᵀ + b_hh        three blocks each: r, z, n
    r = σ(a^r + u^r)   z = σ(a^z + u^z)                          reset and update gate
    n = tanh(a^n + r ⊙ u^n)                                      the candidate
    h_t = (1 − z) ⊙ n + z ⊙ h_{t−1}

Backpropagation through time goes from the last step to the first. With η_t the gradient of h_t that
comes in from above, and δ_t = ∂L/∂a_t, ε_t = ∂L/∂u_t:

    ∂L/∂h_t = η_t + ∂L/∂h_{t+1} ⊙ z_{t+1} + ε_{t+1} W_hh
    ∂h_t/∂a^n = (1 − z)(1 − n²)      ∂h_t/∂a^z = (h_{t−1} − n) z(1 − z)
    ∂h_t/∂a^r = ∂h_t/∂a^n ⊙ u^n r(1 − r)
    δ_t = ∂L/∂h_t ⊙ (∂h_t/∂a^r, ∂h_t/∂a^z, ∂h_t/∂a^n)
    ε_t = ∂L/∂h_t ⊙ (∂h_t/∂a^r, ∂h_t/∂a^z, ∂h_t/∂a^n ⊙ r)

    ∂L/∂x = δ W_ih        ∂L/∂W_ih = Σ_t δ_tᵀ x_t            ∂L/∂b_ih = Σ δ
                          ∂L/∂W_hh = Σ_t ε_tᵀ h_{t−1}        ∂L/∂b_hh = Σ ε

All but the first line is done once for the whole sequence. The gates are not kept, but computed
again: once all h_t are known, a and u are a product each, without a loop.

Shapes: x (T, N, I), h (T, N, H), a, u, δ and ε (T, N, 3H), W_ih (3H, I), W_hh (3H, H), biases (3H).
T counts steps, N samples.

Source: Cho et al. 2014, with r applied after the product, as in PyTorch; through time: Werbos 1990.
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


class GRUFunction(Function):
    """h of all steps.

    Backward: ∂L/∂h_t = η_t + ∂L/∂h_{t+1} ⊙ z_{t+1} + ε_{t+1}W_hh,  ∂L/∂W_hh = Σ ε_tᵀh_{t−1}
    """

    @staticmethod
    def forward(
        input: Tensor,
        h_0: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None,
        bias_hh: Tensor | None,
        reverse: bool,
    ) -> Tensor:
        a = linear(input, weight_ih, bias_ih)
        h, hs = h_0, [h_0] * len(a)
        for t in steps(len(a), reverse):
            _, z, n, _ = gates(a[t], linear(h, weight_hh, bias_hh))
            hs[t] = h = (1 - z) * n + z * h
        return torch.stack(hs)

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.reverse = inputs
        # A single step starts from h_0 alone.
        ctx.save_for_backward(*tensors, output if len(output) > 1 else None)

    @staticmethod
    def backward(ctx, grad_output):
        x, h_0, W_ih, W_hh, b_ih, b_hh, h = ctx.saved_tensors
        h_before = states_before(h_0, h, ctx.reverse)
        r, z, n, u_n = gates(linear(x, W_ih, b_ih), linear(h_before, W_hh, b_hh))
        by_n = (1 - z) * (1 - n * n)
        by_z = (h_before - n) * z * (1 - z)
        by_r = by_n * u_n * r * (1 - r)
        by_a = torch.cat([by_r, by_z, by_n], -1)  # ∂h_t/∂a
        by_u = torch.cat([by_r, by_z, by_n * r], -1)  # ∂h_t/∂u

        dh = list(grad_output)  # η_t
        from_h = torch.zeros_like(h_0)  # what a step gets from the one after it
        for t in reversed(steps(len(x), ctx.reverse)):
            dh[t] = dh[t] + from_h  # ∂L/∂h_t
            ε = torch.cat([dh[t]] * 3, -1) * by_u[t]
            from_h = dh[t] * z[t] + ε @ W_hh

        of_x, of_h_0, of_W_ih, of_W_hh, of_b_ih, of_b_hh, _ = ctx.needs_input_grad
        dh_thrice = torch.cat([torch.stack(dh)] * 3, -1)
        δ, ε = dh_thrice * by_a, samples_in_rows(dh_thrice * by_u)
        rows = samples_in_rows(δ)  # (T·N, 3H)
        return (
            δ @ W_ih if of_x else None,  # ∂L/∂x = δ W_ih
            from_h if of_h_0 else None,  # ∂L/∂h_0 = ∂L/∂h_1 ⊙ z_1 + ε_1 W_hh
            rows.T @ samples_in_rows(x) if of_W_ih else None,  # Σ_t δ_tᵀ x_t
            ε.T @ samples_in_rows(h_before) if of_W_hh else None,  # Σ_t ε_tᵀ h_{t−1}
            rows.sum(0) if of_b_ih else None,  # Σ δ
            ε.sum(0) if of_b_hh else None,  # Σ ε
            None,
        )


def gates(a: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """r, z, n, and u^n."""
    (a_r, a_z, a_n), (u_r, u_z, u_n) = a.chunk(3, -1), u.chunk(3, -1)
    r, z = (a_r + u_r).sigmoid(), (a_z + u_z).sigmoid()
    return r, z, (a_n + r * u_n).tanh(), u_n


@public(cpu="float32", cuda="lower")
def gru(
    input: Tensor,
    h_0: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    reverse: bool = False,
) -> Tensor:
    """h of all steps: one layer of a GRU, in one direction.

    Args:
        input: x, shape (T, N, I).
        h_0: the state before the first step, shape (N, H).
        weight_ih: W_ih, shape (3H, I); its blocks are those of r, z and n.
        weight_hh: W_hh, shape (3H, H).
        bias_ih, bias_hh: shape (3H).
        reverse: whether to go from the last x to the first.

    Returns:
        h, shape (T, N, H), each at its x's place.

    Raises:
        ValueError: if the shapes do not fit.
    """
    check_sequence("gru", 3, input, weight_ih, weight_hh, h_0)
    tensors = (input, h_0, weight_ih, weight_hh, bias_ih, bias_hh)
    full = [t if t is None else in_opmath(t)[0] for t in tensors]
    return GRUFunction.apply(*full, reverse).to(input.dtype)


@public(cpu="float32", cuda="lower")
def gru_cell(
    input: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
) -> Tensor:
    """One step of a GRU: ``gru`` for input (N, I) and h (N, H); the next h."""
    return gru(input.unsqueeze(0), h, weight_ih, weight_hh, bias_ih, bias_hh).squeeze(0)


class GRU(torch.nn.GRU):
    """``torch.nn.GRU`` with a hand-written backward.

    Raises:
        ValueError: if the input has neither two nor three dimensions.
        RuntimeError: (by PyTorch) if the input or the states do not fit.
    """

    def forward(self, input, hx=None):
        return run(self, gru, input, hx)


class GRUCell(torch.nn.GRUCell):
    """``torch.nn.GRUCell`` with a hand-written backward.

    Raises:
        ValueError: if the shapes do not fit.
    """

    def forward(self, input, hx=None):
        return run_cell(self, gru_cell, input, hx)
