"""How far a sum of many terms is from the true one, when it is added up term by term.

Each of the partial sums s₁, s₂, … sₙ is rounded, by up to half of eps of its size, and whoever adds
in another order, or in blocks, rounds others. With the terms t₁ … tₙ in an order of no meaning

    Σₖ sₖ² ≈ n/6 · Σₖ tₖ² + n/3 · S²

and the error has the size eps/√12 times the root of that: roundings fall either way. So it grows
with √n where all terms have one sign, and with √n beyond the sum itself where they cancel. Only
where all terms are equal, each partial sum is rounded the same way for half of the way, and the
error is n/2 · S in place of that root.

Products of matrices, convolutions and their gradients are such sums. Both numbers come from the
operation itself: fed with the squares of its arguments it gives Σ t², fed with ones it gives n.

A softmax is eᶻ over a sum of such, or exp(z − log Σ eᶻ). Who keeps that logarithm, as attention by
blocks does, rounds it once more, in the dtype itself, and all probabilities of a row are off by one
factor, e to the power of that rounding.

Source: Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 4.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_ATEN = torch.ops.aten

# What adds up, for each number that it gives out, products of its arguments.
_SUMS = {
    _ATEN.sum,
    _ATEN.cumsum,
    _ATEN.dot,
    _ATEN.mv,
    _ATEN.mm,
    _ATEN.bmm,
    _ATEN.addmv,
    _ATEN.addmm,
    _ATEN.baddbmm,
    _ATEN.convolution,
    _ATEN.convolution_backward,
    _ATEN.index_add,
    _ATEN.index_put,
    _ATEN.scatter_add,
    _ATEN.embedding_dense_backward,
    _ATEN.unfold_backward,
    _ATEN.col2im,
}

# How far the terms of a sum may be from their mean and still be equal, squared and relative to it.
_EQUAL = 1e-9


def roundings(
    func: Any, args: Any, kwargs: Any, result: Any, least: float = 0.0
) -> list[Tensor | None]:
    """The size of the error of each number of each result, in units of eps.

    Args:
        func: The operation, as a ``TorchDispatchMode`` is told it.
        args: Its arguments.
        kwargs: Likewise.
        result: What it gave out, float64.
        least: Partial sums below this are rounded as much as one of this size: underflow.

    Returns:
        Tensors of the results' shapes; none where the operation is no sum.
    """
    results = _in_a_row(result)
    if func.overloadpacket is _ATEN.mean:
        terms = args[0].numel() / max(result.numel(), 1)
        squares = func(args[0].square(), *args[1:], **kwargs)
        return [_size(torch.full_like(result, terms), squares / terms, result, least)]
    if func.overloadpacket not in _SUMS:
        return [None] * len(results)
    counts = _in_a_row(_with(lambda x: x**0, func, args, kwargs))
    squares = _in_a_row(_with(lambda x: x**2, func, args, kwargs))
    return [
        _size(n, t2, s, least) if isinstance(s, Tensor) else None
        for n, t2, s in zip(counts, squares, results, strict=True)
    ]


def logarithm_of_softmax(func: Any, args: Any) -> Tensor | None:
    """log Σ eᶻ, one number for each softmax, (…, 1, …); None of any other operation."""
    if func.overloadpacket not in (_ATEN._softmax, _ATEN._safe_softmax, _ATEN._log_softmax):
        return None
    return args[0].logsumexp(args[1], keepdim=True)


def with_logarithm_off(p: Tensor, off: Tensor, func: Any) -> Tensor:
    """What the softmax gives where its logarithm is off by so much: exp(z − λ − off), z − λ − off.

    In place. No p is multiplied by more than float32 holds, so that float64 holds its powers.
    """
    if func.overloadpacket is _ATEN._log_softmax:
        return p.sub_(off)
    most = math.log(torch.finfo(torch.float32).max)
    return p.mul_(off.neg().clamp_(-most, most).exp_())


def _size(n: Tensor, squares: Tensor, total: Tensor, least: float) -> Tensor:
    partial = n / 6 * squares + n / 3 * total.square() + n * least**2
    equal = n * squares - total.square() <= _EQUAL * total.square()
    partial = torch.where(equal, (n / 2 * total).square(), partial)
    return torch.where(n > 1, (partial / 12).sqrt(), 0.0)


def _with(change: Callable[[Any], Any], func: Any, args: Any, kwargs: Any) -> Any:
    """The operation of changed arguments, and of changed factors such as alpha and beta."""

    def changed(x: Any) -> Any:
        return change(x) if isinstance(x, Tensor) and x.is_floating_point() else x

    def factor(x: Any) -> Any:
        return change(x) if isinstance(x, int | float) and not isinstance(x, bool) else changed(x)

    return func(*map(changed, args), **{name: factor(x) for name, x in kwargs.items()})


def _in_a_row(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple | list) else [result]
