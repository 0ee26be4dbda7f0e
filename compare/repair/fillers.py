"""What can be put around an expression: a factor, a term, a reduction, a function.

A filler is text with ``_`` for the expression.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from compare.repair.ingredients import FUNCTIONS, Ingredient, is_number

_NEAR, _FEW = 0.4, 8  # ingredients of a projection: what they cost at most, and how many
_DIM = re.compile("dim|ax[ie]s|positions|over")  # in the name of what says over which dims


@dataclass(frozen=True)
class Filler:
    """Text around an expression ``_``."""

    text: str
    cost: float
    kind: str
    says: str
    likely: bool = False  # whether a wrong gradient is off by what is put in


def fillers(value: Any, found: Sequence[Ingredient]) -> Iterator[Filler]:
    """What can be put around an expression of this value, the simplest first."""
    shape = value.shape if isinstance(value, Tensor) else torch.Size()
    named = [one.text for one in found if _can_reduce(one, len(shape))]
    made = [*_shaped(value, named), *_projections(value, found)]
    for one in found:
        if _widens(shape, one.value):
            text, of = one.text, f"`{_bare(one.text)}`"
            says = f"the factor {of} is missing"
            made.append(Filler(f"_ * {text}", 2.3 + one.cost, "factor", says, one.likely))
        if _keeps(shape, one.value):
            of = f"`{_bare(one.text)}`"
            text = one.text
            for form, cost, kind, says in (
                (f"_ * {text}", 2.0, "factor", f"the factor {of} is missing"),
                (f"_ / {text}", 2.1, "divisor", f"the division by {of} is missing"),
                (f"_ + {text}", 2.4, "term", f"the term {of} is missing"),
                (f"_ - {text}", 2.4, "term", f"the term -{of} is missing"),
            ):
                made.append(Filler(form, cost + one.cost, kind, says, one.likely))
            made.append(Filler(f"{text} - _", 2.6 + one.cost, "term", f"the term {of} is missing"))
            made.append(Filler(text, 2.4 + one.cost, "expression", f"instead of {of}"))
        if _is_mask(value) and _is_mask(one.value) and _keeps(shape, one.value):
            of = f"`{_bare(one.text)}`"
            made.append(Filler(f"_ & {one.text}", 2.0 + one.cost, "mask", f"{of} is left out"))
            made.append(Filler(f"_ | {one.text}", 2.2 + one.cost, "mask", f"{of} is left out"))
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


def _shaped(value: Any, named: Sequence[str]) -> Iterator[Filler]:
    """Reductions, over numbered dims and ``named`` ones, transposes and functions of one tensor."""
    if not isinstance(value, Tensor):
        return
    dims = [(str(d), 0.0) for d in range(value.dim())]
    dims += [(name, 0.05) for name in named]
    for count in (2, 3) if value.dim() > 2 else ():
        chosen = combinations(range(value.dim()), count)
        dims += [(f"({', '.join(map(str, c))})", 0.15 * count - 0.05) for c in chosen]
    for dim, dearer in dims:
        for function, verb in (("sum", "summed"), ("mean", "averaged")):
            for keep in (", keepdim=True", ""):
                cost = 1.8 + dearer + (0.1 if function == "mean" else 0)
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
    if _is_mask(value):
        yield Filler("~_", 1.3, "sign", "the mask is inverted")


def _projections(value: Any, found: Sequence[Ingredient]) -> Iterator[Filler]:
    """What normalizing takes away: e − a Σ e b, as in softmax, norms and everything of unit length.

    a and b are ingredients of the same shape, or 1.
    """
    if not isinstance(value, Tensor) or not value.dim() or not value.is_floating_point():
        return
    some = [
        one
        for one in found
        if isinstance(one.value, Tensor)
        and one.value.is_floating_point()
        and one.value.shape == value.shape
        and one.cost <= _NEAR
    ]
    named = [one.text for one in found if _can_reduce(one, value.dim()) and not one.text.isdigit()]
    for dim in [*named, "-1", *(str(d) for d in range(value.dim() - 1))]:
        for function, dearer in (("sum", 0.0), ("mean", 0.02)):
            over = f".{function}({dim}, keepdim=True)"
            says = f"its {'sum' if function == 'sum' else 'mean'} over dim {dim} is not subtracted"
            yield Filler(f"_ - _{over}", 2.5 + dearer, "projection", says)
            for a in some[:_FEW]:
                of = f"`{_bare(a.text)}`"
                says = f"what depends on {of} through its {function} over dim {dim} is missing"
                for form in (
                    f"_ - {a.text} * _{over}",
                    f"_ - (_ * {a.text}){over}",
                    f"_ - {a.text} * (_ * {a.text}){over}",
                ):
                    yield Filler(form, 2.6 + dearer + a.cost, "projection", says)


def _can_reduce(one: Ingredient, dims: int) -> bool:
    """Whether it can say over which dims to reduce a tensor of so many."""
    value = one.value if isinstance(one.value, tuple) else (one.value,)
    if one.text.isdigit() or not value or not all(type(d) is int for d in value):
        return False
    return all(-dims <= d < dims for d in value) and _DIM.search(one.text) is not None


def _keeps(shape: torch.Size, value: Any) -> bool:
    """Whether a product with it has the shape that the expression had."""
    if not isinstance(value, Tensor):
        return is_number(value) and value not in (0, 1)
    try:
        return torch.broadcast_shapes(shape, value.shape) == shape or not shape
    except RuntimeError:
        return False


def _is_mask(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.bool


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
