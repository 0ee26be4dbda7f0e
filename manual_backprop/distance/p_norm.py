"""The p-norm of a vector: how long it is.

    n = (Σ_i |u_i|ᵖ)^{1/p}                     ∂n/∂u_i = sgn(u_i) (|u_i|/n)^{p−1}
    n = max_i |u_i|         (p = ∞)            ∂n/∂u_i = sgn(u_i)/k  where |u_i| = n, else 0

k is the number of the u_i that are largest, which share the gradient. For p = 2 it is u_i/n. The
vector 0 has no gradient, it is taken to be 0, as in PyTorch; p = 0 counts what is not 0 and has
none anywhere.
"""

import math

import torch
from torch import Tensor


def p_norm_gradient(g: Tensor, u: Tensor, n: Tensor, p: float, dim: int) -> Tensor:
    """∂L/∂u from g = ∂L/∂n.

    Args:
        g: the shape of ``n``.
        u: vectors along ``dim``.
        n: their norms, with size 1 along ``dim``.
        p: which norm.
        dim: the dimension.
    """
    if p == 0:
        return torch.zeros_like(u) * g
    if p == math.inf:
        largest = (u.abs() == n) & (n != 0)
        return u.sgn() * largest * (g / largest.sum(dim, keepdim=True).clamp(min=1))
    n = torch.where(n == 0, math.inf, n)  # what is divided by it is 0
    if p == 2:
        return u * (g / n)  # u/n
    # |u|^{p−1} is infinite at 0 for p < 1, and so is its own derivative for p < 2.
    size = torch.where(u == 0, 1, u.abs() / n)
    return u.sgn() * size ** (p - 1) * g  # sgn(u) (|u|/n)^{p−1}
