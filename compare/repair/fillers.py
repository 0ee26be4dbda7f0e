"""What can be put around an expression: a factor, a term, a reduction, a function.

A filler is text with ``_`` for the expression.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from compare.repair.ingredients import FUNCTIONS, Ingredient, is_number


@dataclass(frozen=True)
class Filler:
    """Text around an expression ``_``."""

    text: str
    cost: float
    kind: str
    says: str


def fillers(value: Any, found: Sequence[Ingredient]) -> Iterator[Filler]:
    """What can be put around an expression of this value, the simplest first."""
    shape = value.shape if isinstance(value, Tensor) else torch.Size()
    made = [*_shaped(value)]
    for one in found:
        if _widens(shape, one.value):
            text, of = one.text, f"`{_bare(one.text)}`"
            says = f"the factor {of} is missing"
            made.append(Filler(f"_ * {text}", 2.3 + one.cost, "factor", says))
        if _keeps(shape, one.value):
            of = f"`{_bare(one.text)}`"
            text = one.text
            made.append(
                Filler(f"_ * {text}", 2.0 + one.cost, "factor", f"the factor {of} is missing")
            )
            made.append(
                Filler(f"_ / {text}", 2.1 + one.cost, "divisor", f"the division by {of} is missing")
            )
            made.append(Filler(f"_ + {text}", 2.4 + one.cost, "term", f"the term {of} is missing"))
            made.append(Filler(f"_ - {text}", 2.4 + one.cost, "term", f"the term -{of} is missing"))
            made.append(Filler(f"{text} - _", 2.6 + one.cost, "term", f"the term {of} is missing"))
            made.append(Filler(text, 2.4 + one.cost, "expression", f"instead of {of}"))
    if is_number(value) or isinstance(value, Tensor):
        made += [
            Filler("1 - _", 2.3, "term", "`1 -` is missing"),
            Filler("1 + _", 2.3, "term", "`1 +` is missing"),
            Filler("_ - 1", 2.4, "term", "`- 1` is missing"),
            Filler("1 / _", 2.3, "operator", "it should divide"),
            Filler("_ ** 2", 2.2, "function", "the square is missing"),
            Filler("_ ** 0.5", 2.3, "function", "the square root is missing"),
        ]
    return iter(sorted(made, key=lambda f: f.cost))


def _shaped(value: Any) -> Iterator[Filler]:
    """Reductions, transposes and functions of one tensor."""
    if not isinstance(value, Tensor):
        return
    dims = [str(d) for d in range(value.dim())]
    if value.dim() > 2:
        dims += [f"({', '.join(map(str, c))})" for c in combinations(range(value.dim()), 2)]
        dims += [f"({', '.join(map(str, c))})" for c in combinations(range(value.dim()), 3)]
    for dim in dims:
        for function, verb in (("sum", "summed"), ("mean", "averaged")):
            for keep in (", keepdim=True", ""):
                cost = 1.8 + 0.01 * len(dim) + (0.1 if function == "mean" else 0)
                yield Filler(
                    f"_.{function}({dim}{keep})",
                    cost,
                    "reduction",
                    f"it is not {verb} over dim {dim}",
                )
    if value.dim():
        yield Filler("_.sum()", 2.0, "reduction", "it is not summed")
    if value.dim() > 1:
        yield Filler("_.mT", 1.7, "transpose", "it should be transposed")
        for d in range(value.dim() + 1):
            yield Filler(f"_.unsqueeze({d})", 2.2, "shape", f"`.unsqueeze({d})` is missing")
    if value.is_floating_point():
        for function in FUNCTIONS:
            yield Filler(f"_.{function}()", 2.2, "function", f"`.{function}()` is missing")
        yield Filler("_.clamp(min=0)", 2.4, "function", "`.clamp(min=0)` is missing")
    if value.dtype == torch.bool:
        yield Filler("~_", 1.3, "sign", "the mask is inverted")


def _keeps(shape: torch.Size, value: Any) -> bool:
    """Whether a product with it has the shape that the expression had."""
    if not isinstance(value, Tensor):
        return is_number(value) and value not in (0, 1)
    try:
        return torch.broadcast_shapes(shape, value.shape) == shape or not shape
    except RuntimeError:
        return False


def _widens(shape: torch.Size, value: Any) -> bool:
    """Whether a product with it has a larger shape, its own."""
    if not isinstance(value, Tensor) or value.shape == shape or not shape:
        return False
    try:
        return torch.broadcast_shapes(shape, value.shape) == value.shape
    except RuntimeError:
        return False


def _bare(text: str) -> str:
    """Without the brackets around all of it."""
    while text.startswith("(") and text.endswith(")"):
        try:
            ast.parse(text[1:-1], mode="eval")
        except SyntaxError:
            break
        text = text[1:-1]
    return text
