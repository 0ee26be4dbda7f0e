"""Numbers as they are shown: three decimals, and no zero that has a sign."""

from torch import Tensor


def shown(value: float) -> str:
    """``-0.5`` as ``−0.5``, ``0.61234`` as ``0.612``."""
    text = f"{value:.3f}".rstrip("0").removesuffix(".")
    return "0" if text in ("-0", "0") else text.replace("-", "−")


def rows(matrix: Tensor) -> list[list[str]]:
    """The numbers of a matrix, (m, n)."""
    return [[shown(value) for value in row] for row in matrix.tolist()]
