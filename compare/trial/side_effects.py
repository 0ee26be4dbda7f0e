"""What a model writes over besides what it returns, unnoticed by autograd.

A kernel works on memory, and so does ``.data``: neither moves the version counter by which PyTorch
notices that a saved tensor has been changed. So values are compared before and after. The backward
runs twice on one graph: where it has written over what it saved, the second is another one. And the
forward runs again on other numbers before the backward of the first: a buffer that both write to
has the wrong ones then.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from compare.trial.case import Case, as_set, state
from compare.trial.errors import said
from compare.trial.given import Given, map_tensors, tensors_in
from compare.trial.randomness import undisturbed
from compare.trial.strides import copy_with_layout

# Two runs of one backward may add up in another order; more than this share of a gradient's
# largest number is no rounding in any precision, 2⁻⁷ being bfloat16's.
_ROUNDING = 2.0**-5

# What a second call is given: no number leaves its domain, be it a probability or a logarithm.
_SMALLER = 0.75


class Overwritten(NamedTuple):
    """A tensor that was written over, and by whom."""

    what: str  # "input", "weight", "the incoming gradient", "what it saved", …
    sentence: str
    refused: bool = False  # rather: a second backward raised, and nobody got a wrong gradient


def written_over(case: Case, given: Given, cotangents: Sequence[Tensor]) -> list[Overwritten]:
    """What one forward and two backwards of the model wrote over.

    Args:
        case: One layer, without a loss.
        given: What it is given.
        cotangents: What its backward is fed, one for each output.

    Raises:
        Exception: Whatever the model raises in the forward and the first backward.
    """
    model, _ = case.copies()
    inside = case.given(given)
    with undisturbed(given.tensors), torch.enable_grad(), as_set(model, given):
        given.random_state.restore()
        args, kwargs = _no_leaves(inside)
        inputs = list(tensors_in((args, kwargs)))
        numbered = "input" if len(inputs) == 1 else "input {}"
        watched = _Watched({numbered.format(i): x for i, x in enumerate(inputs)} | state(model))
        outputs = list(tensors_in(model(*args, **kwargs)))
        found = [
            Overwritten(name, f"its forward overwrites {_the(name)} without telling autograd")
            for name in watched.changed()
        ]
        return found + list(_in_backward(model, inside, watched, outputs, cotangents))


class _Watched:
    """Tensors, with copies of their values and the versions that they had."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors
        self._known = {name: (x.detach().clone(), x._version) for name, x in tensors.items()}

    def add(self, name: str, tensor: Tensor) -> None:
        """Watch one more."""
        self._tensors[name] = tensor
        self._known[name] = tensor.detach().clone(), tensor._version

    def changed(self) -> Iterator[str]:
        """Those that have other values now and the same version; each is told once."""
        for name, x in self._tensors.items():
            values, version = self._known[name]
            same = (x == values) | (x.isnan() & values.isnan())
            if x._version == version and not bool(same.all()):
                yield name
            self._known[name] = x.detach().clone(), x._version


def _in_backward(
    model: Any,
    inside: Given,
    watched: _Watched,
    outputs: Sequence[Tensor],
    cotangents: Sequence[Tensor],
) -> Iterator[Overwritten]:
    leaves = {f"input {i}": x for i, x in enumerate(inside.differentiated)}
    leaves |= {n: p for n, p in getattr(model, "named_parameters", dict)() if p.requires_grad}
    connected = [(y, c) for y, c in zip(outputs, cotangents, strict=True) if y.requires_grad]
    if not connected:
        return
    for i, (y, _) in enumerate(connected):
        watched.add("its output" if len(connected) == 1 else f"its output {i}", y)
    runs, told = [], False
    for run in range(2):
        fed_in = [copy_with_layout(c) for _, c in connected]
        for leaf in leaves.values():
            leaf.grad = None
        try:
            torch.autograd.backward([y for y, _ in connected], fed_in, retain_graph=True)
        except Exception as error:
            if run == 0:
                raise
            why = f"a second backward on the same graph raised {said(error)}"
            yield Overwritten("what it saved", why, refused=True)
            return
        runs.append({name: leaf.grad for name, leaf in leaves.items()})
        if run == 0:
            if any(
                not torch.equal(a, c.detach()) for a, (_, c) in zip(fed_in, connected, strict=True)
            ):
                why = (
                    "its backward overwrites the incoming gradient, which other operations may "
                    "still read"
                )
                told = True
                yield Overwritten("the incoming gradient", why)
            for name in watched.changed():
                told = True
                yield Overwritten(name, f"its backward overwrites {_the(name)}")
    if told:
        return  # which is why a second backward is another one
    for name, first in runs[0].items():
        second = runs[1][name]
        if first is not None and not _same(first, second):
            why = (
                "a second backward on the same graph gives other gradients: the first one wrote "
                "over what was saved, or left something behind"
            )
            yield Overwritten("what it saved", why)
            return


def written_over_by_the_next_call(
    case: Case, given: Given, cotangents: Sequence[Tensor]
) -> list[Overwritten]:
    """Whether calling the model once more changes what the first call's backward gives.

    Args and raises as ``written_over``.
    """
    alone, together = (_gradients(case, given, cotangents, again=again) for again in (False, True))
    if any(a is not None and not _same(a, b) for a, b in zip(alone, together, strict=True)):
        why = "calling it again overwrites what the first call saved for its backward"
        return [Overwritten("what it saved", why)]
    return []


def _gradients(
    case: Case, given: Given, cotangents: Sequence[Tensor], *, again: bool
) -> list[Tensor | None]:
    """Of one call, with another one on smaller numbers between its forward and its backward."""
    model, _ = case.copies()
    inside = case.given(given)
    with undisturbed(given.tensors), torch.enable_grad(), as_set(model, given):
        given.random_state.restore()
        args, kwargs = _no_leaves(inside)
        outputs = list(tensors_in(model(*args, **kwargs)))
        if again:
            other = inside.with_tensors([_SMALLER * x.detach() for x in inside.tensors])
            model(*other.args, **other.kwargs)
        connected = [(y, c) for y, c in zip(outputs, cotangents, strict=True) if y.requires_grad]
        own: list[Tensor] = list(getattr(model, "parameters", list)())
        leaves = [*inside.differentiated, *(p for p in own if p.requires_grad)]
        if not connected or not leaves:
            return []
        return list(
            torch.autograd.grad(
                [y for y, _ in connected], leaves, [c for _, c in connected], allow_unused=True
            )
        )


def _no_leaves(given: Given) -> Any:
    """Its arguments, which an operation in place may take: it must not be given a leaf."""
    return map_tensors(lambda x: x.clone() if x.requires_grad else x, (given.args, given.kwargs))


def _same(first: Tensor, second: Tensor | None) -> bool:
    if second is None or first.shape != second.shape:
        return False
    if first.is_sparse or first.numel() == 0 or torch.equal(first, second):
        return True
    a, b = first.double(), second.double()
    return bool(((a - b).abs() <= _ROUNDING * a.abs().max()).all()) or bool(a.isnan().any())


def _the(name: str) -> str:
    if name.startswith(("its ", "the ")):
        return name
    return f"its {name}" if name.partition(" ")[0] == "input" else name
