"""How gradients are shown: a line for each, with its name, shape and norm."""

from collections.abc import Sequence

from torch import Tensor

_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def shown(deltas: Sequence[Tensor], weights: Sequence[Tensor], biases: Sequence[Tensor]) -> str:
    """δˡ, ∂L/∂Wˡ and ∂L/∂bˡ of the layers l = 1 … L, in the order they are computed in."""
    lines = [("", "shape", "norm")]
    for l in reversed(range(len(deltas))):
        for name, of in (("δ", deltas), ("∂L/∂W", weights), ("∂L/∂b", biases)):
            layer = str(l + 1).translate(_SUPERSCRIPT)
            lines.append((name + layer, str(tuple(of[l].shape)), f"{float(of[l].norm()):.3g}"))
    wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(n) for cell, n in zip(line, wide, strict=True)).rstrip()
        for line in lines
    )
