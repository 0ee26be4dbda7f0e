"""Expressions that are worth a whole gradient, for one that is None or all wrong."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from typing import Any

from torch import Tensor

from compare.repair.ingredients import Ingredient, bracketed


def whole(
    target: Tensor, atoms: Sequence[Ingredient], names: Mapping[str, Any]
) -> Iterator[tuple[str, float]]:
    """Texts of expressions that are worth the target: a tensor, a product, a sum over some dims."""
    shapes = list(_shapes_like(target, names))
    tensors = [i for i in atoms if isinstance(i.value, Tensor) and i.value.is_floating_point()]
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
    s, t = bracketed(a.text), bracketed(b.text)
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
            yield from ((f"{bracketed(text)}.reshape({s})", cost + 0.3) for s in shapes)
    if extra < 0:
        return
    for dims in combinations(range(value.dim()), extra):
        kept = [n for d, n in enumerate(value.shape) if d not in dims]
        if kept != list(target.shape):
            continue
        reduced = value.sum(dims) if dims else value
        over = str(dims[0]) if len(dims) == 1 else str(dims)
        shown = f"{bracketed(text)}.sum({over})" if dims else text
        for sign, signed in (("", reduced), ("-", -reduced)):
            size = float(target.abs().max()) if target.numel() else 0.0
            if bool(((signed - target).abs() <= 1e-9 * size).all()):
                yield (
                    (f"-{bracketed(shown)}" if sign else shown),
                    cost + 0.2 * len(dims) + 0.3 * len(sign),
                )
