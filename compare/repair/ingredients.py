"""What can have been left out: factors, terms, reductions, functions, from what is in scope.

A filler is text with ``_`` for the expression that it is put around. It is made from names, saved
tensors, attributes of ctx, sizes, small numbers, 1 − p, and the expressions of backward and
forward. Of fillers that are worth the same the simplest is taken.
"""

import ast
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from compare.repair.single_edits import enclosed

_FUNCTIONS = (
    "exp",
    "sqrt",
    "rsqrt",
    "square",
    "abs",
    "sign",
    "log",
    "reciprocal",
    "sigmoid",
    "tanh",
)
_MOST = 160  # ingredients; more take longer than they are worth


@dataclass(frozen=True)
class Ingredient:
    """An expression, in brackets where it needs them, and its value in the first trial."""

    text: str
    value: Any
    cost: float


@dataclass(frozen=True)
class Filler:
    """Text around an expression ``_``."""

    text: str
    cost: float
    kind: str
    says: str


def ingredients(
    names: Mapping[str, Any],
    expressions: Mapping[str, Any],
    forward: Sequence[str],
    unused: Collection[str] = (),
) -> list[Ingredient]:
    """Those with a value of their own, the simplest first.

    Args:
        names: Of what is in scope, with their values.
        expressions: The backward's own, with their values.
        forward: Those of the forward, whose names may mean the same here.
        unused: Names that nothing reads: likely what was forgotten.
    """
    found: dict[Any, Ingredient] = {}
    for one in sorted(
        _every(names, expressions, forward, unused), key=lambda i: (i.cost, len(i.text))
    ):
        key = fingerprint(one.value)
        if key is not None and key not in found:
            found[key] = one
    return [replace(one, text=_bracket(one.text)) for one in list(found.values())[:_MOST]]


def _every(
    names: Mapping[str, Any],
    expressions: Mapping[str, Any],
    forward: Sequence[str],
    unused: Collection[str],
) -> Iterator[Ingredient]:
    atoms: dict[str, Any] = {}
    for name, value in names.items():
        if _is_number(value) or isinstance(value, Tensor):
            atoms[name] = value
        if name == "ctx" or hasattr(value, "saved_tensors"):
            atoms |= _of_context(name, value)
    for text, value in atoms.items():
        yield Ingredient(text, value, -0.3 if text in unused else 0.0 if "." not in text else 0.2)
        if isinstance(value, Tensor):
            if value.dim():
                yield Ingredient(f"len({text})", len(value), 0.3)
                yield Ingredient(f"{text}.numel()", value.numel(), 0.4)
            for dim in range(value.dim()):
                yield Ingredient(f"{text}.shape[{dim}]", value.shape[dim], 0.35 + 0.01 * dim)
        if isinstance(value, float) or (isinstance(value, Tensor) and value.is_floating_point()):
            yield Ingredient(f"(1 - {text})", 1 - value, 0.5)
            yield Ingredient(f"(1 + {text})", 1 + value, 0.55)
            yield Ingredient(f"({text} > 0)", value > 0, 0.6)
            yield Ingredient(f"({text} < 0)", value < 0, 0.7)
        if isinstance(value, Tensor) and value.is_floating_point():
            for function in _FUNCTIONS:
                yield Ingredient(f"{text}.{function}()", getattr(value, function)(), 0.7)
        if _is_number(value) and value > 0:
            yield Ingredient(f"{text} ** 0.5", value**0.5, 0.6)
    for number in ("2", "3", "4"):
        yield Ingredient(number, int(number), 0.3 + int(number) / 100)
    for text, value in expressions.items():
        if len(text) < 60:
            yield Ingredient(text, value, 0.3 + len(text) / 150)
    for text in forward:
        try:
            value = eval(text, dict(names))
        except Exception:
            continue
        if len(text) < 80:
            yield Ingredient(text, value, 0.5 + len(text) / 150)
    floats = {t: v for t, v in atoms.items() if isinstance(v, Tensor) and v.is_floating_point()}
    some = list(floats.items())[:8] + [(t, v) for t, v in atoms.items() if _is_number(v)][:6]
    for (a, x), (b, y) in combinations(some, 2):
        if _is_number(x):
            continue
        try:
            yield Ingredient(f"({a} * {b})", x * y, 1.0)
        except RuntimeError:
            continue


def _of_context(name: str, context: Any) -> dict[str, Any]:
    found = {}
    for attribute, value in getattr(context, "__dict__", {}).items():
        if _is_number(value) or isinstance(value, Tensor):
            found[f"{name}.{attribute}"] = value
    for i, x in enumerate(getattr(context, "saved_tensors", ())):
        if isinstance(x, Tensor):
            found[f"{name}.saved_tensors[{i}]"] = x
    return found


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
    if _is_number(value) or isinstance(value, Tensor):
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
        yield Filler("_.mT", 1.7, "transpose", "it is to be transposed")
        for d in range(value.dim() + 1):
            yield Filler(f"_.unsqueeze({d})", 2.2, "shape", f"`.unsqueeze({d})` is missing")
    if value.is_floating_point():
        for function in _FUNCTIONS:
            yield Filler(f"_.{function}()", 2.2, "function", f"`.{function}()` is missing")
        yield Filler("_.clamp(min=0)", 2.4, "function", "`.clamp(min=0)` is missing")
    if value.dtype == torch.bool:
        yield Filler("~_", 1.3, "sign", "the mask is turned round")


def _keeps(shape: torch.Size, value: Any) -> bool:
    """Whether a product with it has the shape that the expression had."""
    if not isinstance(value, Tensor):
        return _is_number(value) and value not in (0, 1)
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


def whole(
    target: Tensor, atoms: Sequence[Ingredient], names: Mapping[str, Any]
) -> Iterator[tuple[str, float]]:
    """Texts of expressions that are worth the target: a tensor, a product, a sum over some dims."""
    shapes = list(_shapes_like(target, names))
    tensors = [i for i in atoms if isinstance(i.value, Tensor)]
    for a in tensors:
        yield from _equal(target, a.text, a.value, 2.0 + a.cost, shapes)
    for a in tensors:
        for b in tensors:
            for text, value, cost in _products(a, b):
                yield from _equal(target, text, value, 2.4 + a.cost + b.cost + cost, shapes)


def _shapes_like(target: Tensor, names: Mapping[str, Any]) -> Iterator[str]:
    """What its shape is called."""
    for name, value in names.items():
        if isinstance(value, Tensor) and value.shape == target.shape:
            yield f"{name}.shape"
        for attribute, own in getattr(value, "__dict__", {}).items():
            if name == "ctx" and isinstance(own, tuple) and own == tuple(target.shape):
                yield f"ctx.{attribute}"


def _products(a: Ingredient, b: Ingredient) -> Iterator[tuple[str, Any, float]]:
    x, y = a.value, b.value
    if not (x.is_floating_point() and y.is_floating_point()):
        return
    s, t = _bracket(a.text), _bracket(b.text)
    if id(a) <= id(b):
        with suppress(RuntimeError):
            yield f"({s} * {t})", x * y, 0.0
    if x.dim() > 1 and y.dim() > 1:
        for text, u, v in (
            (f"{s} @ {t}", x, y),
            (f"{s}.mT @ {t}", x.mT, y),
            (f"{s} @ {t}.mT", x, y.mT),
        ):
            try:
                yield f"({text})", u @ v, 0.1 if "mT" in text else 0.0
            except RuntimeError:
                continue


def _equal(
    target: Tensor, text: str, value: Tensor, cost: float, shapes: Sequence[str]
) -> Iterator[tuple[str, float]]:
    """The text, summed over dims or in the target's shape, where it is then worth the target."""
    extra = value.dim() - target.dim()
    if value.numel() == target.numel() > 0 and value.shape != target.shape:
        flat, wanted = value.flatten(), target.flatten()
        if bool(((flat - wanted).abs() <= 1e-9 * wanted.abs().max()).all()):
            yield from ((f"{_bracket(text)}.reshape({s})", cost + 0.3) for s in shapes)
    if extra < 0 or not value.is_floating_point():
        return
    for dims in combinations(range(value.dim()), extra):
        kept = [n for d, n in enumerate(value.shape) if d not in dims]
        if kept != list(target.shape):
            continue
        reduced = value.sum(dims) if dims else value
        over = str(dims[0]) if len(dims) == 1 else str(dims)
        shown = f"{_bracket(text)}.sum({over})" if dims else text
        for sign, signed in (("", reduced), ("-", -reduced)):
            size = float(target.abs().max()) if target.numel() else 0.0
            if bool(((signed - target).abs() <= 1e-9 * size).all()):
                yield (
                    (f"-{_bracket(shown)}" if sign else shown),
                    cost + 0.2 * len(dims) + 0.3 * len(sign),
                )


def _bracket(text: str) -> str:
    return enclosed(text, ast.parse(text, mode="eval").body)


def _bare(text: str) -> str:
    """Without the brackets around all of it."""
    while text.startswith("(") and text.endswith(")"):
        try:
            ast.parse(text[1:-1], mode="eval")
        except SyntaxError:
            break
        text = text[1:-1]
    return text


def fingerprint(value: Any) -> Any:
    """The same for equal values; None for what is neither number nor tensor."""
    if isinstance(value, bool):
        return None
    if _is_number(value):
        return ("number", round(value, 12)) if math.isfinite(value) else None
    if not isinstance(value, Tensor) or value.is_complex():
        return None
    x = value.detach().double().flatten()
    if not x.numel() or not bool(x.isfinite().all()):
        return None
    ways = torch.cos(torch.arange(1, x.numel() + 1, dtype=torch.float64))
    return (
        tuple(value.shape),
        value.dtype == torch.bool,
        f"{float(x @ ways):.9e}",
        f"{float(x.sum()):.6e}",
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)
