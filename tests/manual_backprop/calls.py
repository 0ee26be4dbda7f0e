"""A function and its twin, called alike: fresh arguments, outputs, gradients, how near they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from compare.trial.given import map_tensors, tensors_in
from tests.manual_backprop.cases import Case

SEED = 7
Arguments = tuple[Any, ...]  # tensors, tuples of tensors, numbers, None
Function = Callable[..., Any]  # gives a tensor or a tuple of them


def arguments(case: Case, dtype: torch.dtype = torch.float64) -> Arguments:
    return prepared(case, case.given.arguments, dtype)


def prepared(case: Case, args: Arguments, dtype: torch.dtype) -> Arguments:
    """Fresh tensors, floats in ``dtype``, requiring a gradient where the case differentiates."""

    def leaf(a: Tensor, differentiated: bool) -> Tensor:
        if not a.is_floating_point():
            return a.clone()
        return a.detach().to(dtype, copy=True).requires_grad_(differentiated)

    return tuple(
        map_tensors(lambda a, i=i: leaf(a, i not in case.given.constants), arg)
        for i, arg in enumerate(args)
    )


def all_tensors(value: Any) -> list[Tensor]:
    """Also the integers."""
    found: list[Tensor] = []
    map_tensors(lambda a: found.append(a) or a, value)
    return found


def leaves(args: Arguments) -> list[Tensor]:
    return [a for a in tensors_in(args) if a.requires_grad]


def with_leaves(args: Arguments, values: Any) -> Arguments:
    """The arguments with these for those that require a gradient."""
    remaining = iter(values)
    return map_tensors(lambda a: next(remaining) if a.requires_grad else a, args)


def untouched(args: Arguments) -> Arguments:
    """Copies that may be written over, those of leaves no leaves."""
    return map_tensors(lambda a: a * 1 if a.requires_grad else a.clone(), args)


def in_type(case: Case, dtype: torch.dtype) -> Case:
    """The case with its constant tensors (weights of classes and samples) in ``dtype``."""
    options = {
        key: value.to(dtype) if isinstance(value, Tensor) else value
        for key, value in case.given.options.items()
    }
    return replace(case, given=replace(case.given, options=options))


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """For all that is called so: a mask that is drawn is the same for both functions."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        yield


def outputs(function: Function, args: Arguments) -> list[Tensor]:
    """The floating-point tensors that come out."""
    with same_random_numbers():
        return list(tensors_in(function(*args)))


def gradients(function: Function, args: Arguments, gs: list[Tensor]) -> list[Tensor]:
    return list(torch.autograd.grad(outputs(function, untouched(args)), leaves(args), gs))


def incoming(case: Case, args: Arguments) -> Iterator[list[Tensor]]:
    """Incoming gradients, one for each output."""
    kinds = [
        list(cotangents(output.detach(), SEED + i))
        for i, output in enumerate(outputs(case.call, untouched(args)))
    ]
    for together in zip_longest(*kinds):
        yield [g if g is not None else kinds[i][0] for i, g in enumerate(together)]


def cotangents(like: Tensor, seed: int = SEED) -> Iterator[Tensor]:
    """Incoming gradients of the shape of ``like``: never a uniform one alone."""
    generator = torch.Generator().manual_seed(seed)
    random = torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like.dtype)
    yield random
    yield random * 1e-20
    if like.dim() > 0 and like.numel() > 0:
        one_hot = torch.zeros_like(like).flatten()
        one_hot[like.numel() // 2] = 1
        yield one_hot.view(like.shape)
        yield random.flatten()[0].expand(like.shape)
        yield random[:1].expand(like.shape)
    if like.dim() > 1:
        yield random.mT.contiguous().mT


def close(actual: Tensor, expected: Tensor, *incoming: Tensor | None) -> None:
    """Equal but for float64 rounding, NaN and infinities in the same places.

    What cancels is rounded at the size of its terms: that of the incoming gradients.
    """
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    if torch.equal(actual, expected):
        return
    assert actual.is_floating_point()
    magnitudes = [t[t.isfinite()].abs() for t in (expected, *incoming) if t is not None]
    scale = max(m.max().item() if m.numel() else 0.0 for m in magnitudes)
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12 * scale, equal_nan=True)


def compare(case: Case, args: Arguments) -> list[Tensor]:
    """Outputs, what is left in the arguments, and gradients are torch's; the gradients."""
    left = []
    for function in (case.call, case.call_reference):
        copies = untouched(args)
        with same_random_numbers():
            left.append(all_tensors((function(*copies), copies)))
    for actual, expected in zip(*left, strict=True):
        close(actual, expected)
    found = []
    for gs in incoming(case, args):
        for actual, expected in zip(
            gradients(case.call, args, gs), gradients(case.call_reference, args, gs), strict=True
        ):
            close(actual, expected, *gs)
            found.append(actual)
    return found
