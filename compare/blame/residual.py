"""A picture of where an error sits."""

import math

import torch
from torch import Tensor

from compare.blame.finding import Residual
from compare.verdict.judge import Row

SIDE = 64  # cells of a picture, at most


def residual(manual: Tensor | None, true: Tensor | None, row: Row) -> Residual | None:
    """|m − t| in units of what rounding allows; None where there is nothing to subtract."""
    if manual is None or true is None or row.allowed is None or manual.shape != true.shape:
        return None
    if manual.numel() == 0:
        return None
    error = (manual.double() - true).abs() / (row.allowed or 1.0)
    error = torch.where(error.isfinite(), error, math.inf)
    rows = math.prod(error.shape[:-1]) if error.dim() else 1
    matrix = error.reshape(rows, error.numel() // rows)
    for dim in (0, 1):
        matrix = _coarser(matrix, dim)
    return Residual(tuple(manual.shape), tuple(map(tuple, matrix.tolist())))


def _coarser(matrix: Tensor, dim: int) -> Tensor:
    """At most ``SIDE`` along ``dim``: the largest of each block."""
    block = math.ceil(matrix.shape[dim] / SIDE)
    return torch.stack([part.amax(dim) for part in matrix.split(block, dim)], dim)
