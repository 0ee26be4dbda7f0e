"""What can have been left out, from what is in scope.

Names, saved tensors, attributes of ctx, sizes, small numbers, 1 − p, and the expressions of
backward and forward. Of those that are worth the same the simplest is taken.
"""

import ast
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from compare.repair.call_edits import enclosed

FUNCTIONS = (
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
    likely: bool = False  # whether a wrong gradient is off by just that


def ingredients(
    names: Mapping[str, Any],
    expressions: Mapping[str, Any],
    forward: Sequence[str],
    unused: Collection[str] = (),
    numbers: Sequence[int] = (),
) -> list[Ingredient]:
    """Those with a value of their own, the simplest first.

    Args:
        names: Of what is in scope, with their values.
        expressions: The backward's own, with their values.
        forward: Those of the forward, whose names may mean the same here.
        unused: Names that nothing reads: likely what was forgotten.
        numbers: Besides 2, 3 and 4.
    """
    found: dict[Any, Ingredient] = {}
    for one in sorted(
        _every(names, expressions, forward, unused, numbers), key=lambda i: (i.cost, len(i.text))
    ):
        key = fingerprint(one.value)
        if one.text.isdigit():  # a size that happens to be 3 means something else than 3
            key = "literal", key
        if key is not None and key not in found:
            found[key] = one
    return [replace(one, text=bracketed(one.text)) for one in list(found.values())[:_MOST]]


def _every(
    names: Mapping[str, Any],
    expressions: Mapping[str, Any],
    forward: Sequence[str],
    unused: Collection[str],
    numbers: Sequence[int],
) -> Iterator[Ingredient]:
    atoms: dict[str, Any] = {}
    for name, value in names.items():
        if is_number(value) or isinstance(value, Tensor) or _is_dims(value):
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
            yield from _derivatives(text, value)
            if value.dim():
                yield Ingredient(f"{text}.unsqueeze(-1)", value.unsqueeze(-1), 0.6)
            for function in FUNCTIONS:
                yield Ingredient(f"{text}.{function}()", getattr(value, function)(), 0.7)
        if is_number(value) and value > 0:
            yield Ingredient(f"{text} ** 0.5", value**0.5, 0.6)
    limits = [(t, v) for t, v in atoms.items() if is_number(v)][:4]
    for text, value in list(atoms.items())[:12]:
        if isinstance(value, Tensor) and value.is_floating_point():
            for limit, number in limits:
                yield Ingredient(f"({text} < {limit})", value < number, 0.8)
                yield Ingredient(f"({text} > {limit})", value > number, 0.8)
    for number in sorted({2, 3, 4, *numbers}):
        yield Ingredient(str(number), number, 0.3 + number / 100)
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
    some = list(floats.items())[:8] + [(t, v) for t, v in atoms.items() if is_number(v)][:6]
    for (a, x), (b, y) in combinations(some, 2):
        if is_number(x):
            continue
        try:
            yield Ingredient(f"({a} * {b})", x * y, 1.0)
            if isinstance(y, Tensor) and x.shape == y.shape and x.dim():
                yield Ingredient(f"({a} - {b})", x - y, 1.05)
        except RuntimeError:
            continue


def _derivatives(text: str, value: Tensor) -> Iterator[Ingredient]:
    """Of what may be a sigmoid or a tanh, in terms of itself."""
    known = value.detach()
    if not known.numel() or float(known.abs().max()) > 1:
        return
    if float(known.min()) >= 0:
        yield Ingredient(f"({text} * (1 - {text}))", value * (1 - value), 0.4)
    yield Ingredient(f"(1 - {text} * {text})", 1 - value * value, 0.43)


def _of_context(name: str, context: Any) -> dict[str, Any]:
    found = {}
    for attribute, value in getattr(context, "__dict__", {}).items():
        if is_number(value) or isinstance(value, Tensor) or _is_dims(value):
            found[f"{name}.{attribute}"] = value
    for i, x in enumerate(getattr(context, "saved_tensors", ())):
        if isinstance(x, Tensor):
            found[f"{name}.saved_tensors[{i}]"] = x
    return found


def bracketed(text: str) -> str:
    """In brackets, unless it binds tighter than anything around it."""
    return enclosed(text, ast.parse(text, mode="eval").body)


def fingerprint(value: Any) -> Any:
    """The same for equal values; None for what is neither number nor tensor."""
    if isinstance(value, bool):
        return None
    if _is_dims(value):
        return "dims", tuple(value)
    if is_number(value):
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


def _is_dims(value: Any) -> bool:
    """Whether it may be the dims that a reduction is over."""
    return isinstance(value, tuple) and 0 < len(value) < 6 and all(type(d) is int for d in value)


def is_number(value: Any) -> bool:
    """Whether it is an int or a float, and no truth value."""
    return type(value) in (int, float)
