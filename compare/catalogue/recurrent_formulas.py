"""Backwards of recurrent layers written otherwise: step by step, out of the parameters alone."""

import torch
from torch import Tensor


def rnn_backward(
    g: Tensor, x: Tensor, *parameters: Tensor, through_time: float = 1, slope: bool = True
) -> tuple[Tensor, ...]:
    """Step by step, with what goes from step to step scaled."""
    w_ih, w_hh, b_ih, b_hh = parameters
    hs = [x.new_zeros(x.shape[1], w_hh.shape[1])]
    for row in x:
        hs.append(torch.tanh(row @ w_ih.T + b_ih + hs[-1] @ w_hh.T + b_hh))
    of_x, of_w_ih, of_w_hh, of_b = [], w_ih * 0, w_hh * 0, b_ih * 0
    delta = torch.zeros_like(hs[0])
    for t in range(len(x) - 1, -1, -1):
        delta = g[t] + through_time * (delta @ w_hh)
        delta = delta * (1 - hs[t + 1] ** 2 if slope else 1)
        of_x.append(delta @ w_ih)
        of_w_ih, of_w_hh = of_w_ih + delta.T @ x[t], of_w_hh + delta.T @ hs[t]
        of_b = of_b + delta.sum(0)
    return torch.stack(of_x[::-1]), of_w_ih, of_w_hh, of_b, of_b


def rnn_cell_delta(g: Tensor, x: Tensor, h: Tensor, *parameters: Tensor) -> Tensor:
    """∂L/∂a of one step, a being what tanh is given."""
    w_ih, w_hh, b_ih, b_hh = parameters
    return g * (1 - torch.tanh(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh) ** 2)


def gru_backward(
    g: Tensor, x: Tensor, *parameters: Tensor, resets: bool = True
) -> tuple[Tensor, ...]:
    """Step by step, with what goes from step to step scaled."""
    w_ih, w_hh, b_ih, b_hh = parameters
    h = x.new_zeros(x.shape[1], w_hh.shape[1])
    kept = []
    for row in x:
        (a_r, a_z, a_n), (u_r, u_z, u_n) = (
            t.chunk(3, 1) for t in (row @ w_ih.T + b_ih, h @ w_hh.T + b_hh)
        )
        r, z = (a_r + u_r).sigmoid(), (a_z + u_z).sigmoid()
        n = (a_n + r * u_n).tanh()
        kept.append((row, h, r, z, n, u_n))
        h = n + z * (h - n)
    of_x, of_w_ih, of_w_hh, of_b_ih, of_b_hh = [], w_ih * 0, w_hh * 0, b_ih * 0, b_hh * 0
    of_h = torch.zeros_like(h)
    for g_t, (row, h, r, z, n, u_n) in zip(g.flip(0), kept[::-1], strict=True):
        of_h = g_t + of_h
        of_n = of_h * (1 - z) * (1 - n * n)
        of_r, of_z = of_n * u_n * r * (1 - r), of_h * (h - n) * z * (1 - z)
        delta = torch.cat([of_r, of_z, of_n], 1)
        of_u = torch.cat([of_r, of_z, of_n * r if resets else of_n], 1)
        of_x.append(delta @ w_ih)
        of_w_ih, of_w_hh = of_w_ih + delta.T @ row, of_w_hh + of_u.T @ h
        of_b_ih, of_b_hh = of_b_ih + delta.sum(0), of_b_hh + of_u.sum(0)
        of_h = of_h * z + of_u @ w_hh
    return torch.stack(of_x[::-1]), of_w_ih, of_w_hh, of_b_ih, of_b_hh


def lstm_backward(
    g: Tensor,
    x: Tensor,
    *parameters: Tensor,
    through_c: float = 1,
    forgets: bool = True,
) -> tuple[Tensor, ...]:
    """Step by step, with what goes from step to step scaled."""
    w_ih, w_hh, b_ih, b_hh = parameters
    h = c = x.new_zeros(x.shape[1], w_hh.shape[1])
    kept = []
    for row in x:
        a = row @ w_ih.T + b_ih + h @ w_hh.T + b_hh
        i, f, m, o = a.chunk(4, 1)
        i, f, m, o = i.sigmoid(), f.sigmoid(), m.tanh(), o.sigmoid()
        before, c = (h, c), f * c + i * m
        kept.append((row, *before, i, f, m, o, c.tanh()))
        h = o * c.tanh()
    of_x, of_w_ih, of_w_hh, of_b = [], w_ih * 0, w_hh * 0, b_ih * 0
    of_h = of_c = torch.zeros_like(h)
    for g_t, (row, h, c, i, f, m, o, tanh_c) in zip(g.flip(0), kept[::-1], strict=True):
        of_h = g_t + of_h
        of_c = of_c + of_h * o * (1 - tanh_c**2)
        delta = torch.cat(
            [
                of_c * m * i * (1 - i),
                of_c * c * f * (1 - f),
                of_c * i * (1 - m * m),
                of_h * tanh_c * o * (1 - o),
            ],
            1,
        )
        of_x.append(delta @ w_ih)
        of_w_ih, of_w_hh = of_w_ih + delta.T @ row, of_w_hh + delta.T @ h
        of_b = of_b + delta.sum(0)
        of_h, of_c = delta @ w_hh, through_c * of_c * (f if forgets else 1)
    return torch.stack(of_x[::-1]), of_w_ih, of_w_hh, of_b, of_b
