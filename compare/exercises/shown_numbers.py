"""Numbers as they are shown to a learner."""

from typing import Any

from torch import Tensor


def numbers(x: Any) -> str:
    """A tensor as nested lists, whole numbers as such, on one line."""
    if isinstance(x, list | tuple) and x and isinstance(x[0], Tensor):
        return f"[{', '.join(numbers(each) for each in x)}]"
    if not isinstance(x, Tensor):
        return str(x)
    if x.dim() == 0:
        value = float(x)
        return f"{value + 0:.0f}" if value.is_integer() else f"{value:.6g}"
    return f"[{', '.join(numbers(each) for each in x)}]"
