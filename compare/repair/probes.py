"""A run of a layer whose backward can be asked again and again, and what it should answer.

The forward runs once, in float64, and the graph is kept: each candidate for the backward is asked
with the recorded context. What a backward saved is written back after each call, since some write
over it past the version counter, and so is what it put on ctx.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn

from compare.trial.autograd_graph import custom
from compare.trial.case import Case
from compare.trial.given import Given, map_tensors, tensors_in
from compare.trial.key import Key, Kind
from compare.trial.pairing import Pairing
from compare.trial.randomness import undisturbed
from compare.trial.sides import Sides
from compare.trial.watch import watch

# Relative to the largest number of a gradient, in float64: some of PyTorch's kernels keep an
# option, such as the 1/α of CELU, in float32, whose roundings are 6e-8. And relative to the
# incoming gradient's, for one whose terms cancel.
_NEAR, _ZERO = 2e-7, 1e-11


@dataclass
class Arrangement:
    """Both models in float64, on copies of their own, and what they are given."""

    name: str
    manual: Any
    reference: Any
    pairing: Pairing
    given: Given
    apart: bool = False  # whether its sizes have been told apart

    def copy(self, name: str) -> "Arrangement":
        """One that can be changed."""
        manual, reference = copy.deepcopy(self.manual), copy.deepcopy(self.reference)
        return Arrangement(name, manual, reference, self.pairing, Case.given(self.given))


def setting(sides: Sides, given: Given) -> Arrangement:
    """Of a kind of input."""
    models = [
        copy.deepcopy(case.copies(torch.float64)[0]) for case in (sides.manual, sides.reference)
    ]
    if given.training is not None:
        for model in models:
            if isinstance(model, nn.Module):
                model.train(given.training)
    inside = Case.given(given, torch.float64)
    return Arrangement(given.kind, models[0], models[1], sides.pairing, inside)


@dataclass
class Probe:
    """One input and one incoming gradient."""

    at: Arrangement
    cotangents: Sequence[Tensor]
    right: dict[Key, Tensor]
    outputs: list[Tensor] = field(default_factory=list)
    leaves: dict[Key, Tensor] = field(default_factory=dict)
    nodes: list[Any] = field(default_factory=list)  # of custom Functions, from the outputs on
    _saved: list[tuple[Tensor, Tensor, int]] = field(default_factory=list)  # its version, too
    _attributes: list[tuple[dict[str, Any], Any]] = field(default_factory=list)  # of each ctx

    def run_forward(self) -> None:
        """Make the graph anew.

        Raises:
            Exception: Whatever manual raises.
        """
        self.outputs, self.leaves = _forward(self.at)
        self.nodes = custom(self.outputs)
        self._attributes = [(node.__dict__, _rebuilt(node.__dict__)) for node in self.nodes]
        kept = [_tensors([*node.saved_tensors, node.__dict__]) for node in self.nodes]
        self._saved = [(x, x.detach().clone(), x._version) for found in kept for x in found]

    def gradients(self) -> dict[Key, Tensor | None]:
        """What manual answers.

        Raises:
            Exception: Whatever its backward raises.
        """
        pairs = [
            (y, c.clone())
            for y, c in zip(self.outputs, self.cotangents, strict=True)
            if y.requires_grad
        ]
        self.at.given.random_state.restore()
        try:
            found = torch.autograd.grad(
                [y for y, _ in pairs],
                list(self.leaves.values()),
                [c for _, c in pairs],
                retain_graph=True,
                allow_unused=True,
            )
        finally:
            for attributes, before in self._attributes:
                attributes.clear()
                attributes.update(_rebuilt(before))
            for x, value, _ in self._saved:
                x.data.copy_(value)
            # PyTorch would refuse what has been written over in place, whatever is in it now.
            if any(x._version != version for x, _, version in self._saved):
                self.run_forward()
        return dict(zip(self.leaves, found, strict=True))

    def is_right(self, key: Key, found: Tensor | None) -> bool:
        """Whether this is the gradient that the reference has, but for roundings."""
        true = self.right.get(key)
        if true is None or found is None:
            return true is None and found is None
        if found.shape != true.shape or not true.numel():
            return found.shape == true.shape
        size = max((float(c.abs().max()) for c in self.cotangents if c.numel()), default=0.0)
        near = _NEAR * float(true.abs().max()) + _ZERO * size
        return bool(((found.double() - true).abs() <= near).all())


def probe(at: Arrangement, cotangents: Sequence[Tensor]) -> Probe | None:
    """Ready to be asked; None where the two do not compute the same there, or not in float64."""
    expected = reference_run(at, cotangents)
    made = Probe(at, cotangents, expected[1])
    try:
        made.run_forward()
    except Exception:
        return None
    return made if same(made.outputs, expected[0]) else None


def reference_run(
    at: Arrangement, cotangents: Sequence[Tensor] | None
) -> tuple[list[Tensor], dict[Key, Tensor]]:
    """The reference's outputs, and its gradients by manual's keys.

    Raises:
        Exception: Whatever it raises.
    """
    named = {twin: name for name, twin in at.pairing.tensors.items()}
    given = Case.given(at.given)
    with undisturbed(given.tensors), torch.enable_grad(), _unmoved(at.reference):
        given.random_state.restore()
        items = watch(at.reference, given, None, cotangents, by_layer=False).items
    outputs = [i.tensor for i in items if i.kind is Kind.OUTPUT and i.tensor is not None]
    gradients = {
        i.key._replace(name=named.get(i.key.name, i.key.name)): i.tensor
        for i in items
        if i.kind in (Kind.PARAMETER, Kind.INPUT) and i.tensor is not None
    }
    return outputs, gradients


def manual_outputs(at: Arrangement) -> list[Tensor]:
    """What manual gives out.

    Raises:
        Exception: Whatever it raises.
    """
    return [y.detach() for y in _forward(at)[0]]


def same(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    """Whether two forwards give out the same, all finite."""
    return len(found) == len(expected) and all(
        a.shape == b.shape
        and bool(b.isfinite().all())
        and a.dtype == torch.float64
        and torch.allclose(a, b, rtol=1e-9, atol=1e-9)
        for a, b in zip(found, expected, strict=True)
    )


def accepted(at: Arrangement) -> list[Tensor] | None:
    """The outputs, where the two agree on them."""
    try:
        expected = reference_run(at, None)[0]
        return expected if same(manual_outputs(at), expected) else None
    except Exception:
        return None


def moved(at: Arrangement, generator: Generator) -> None:
    """Parameters and floating-point buffers, the same on both sides; positive ones stay so."""
    if not isinstance(at.manual, nn.Module) or not isinstance(at.reference, nn.Module):
        return
    theirs = {**dict(at.reference.named_parameters()), **dict(at.reference.named_buffers())}
    for name, x in [*at.manual.named_parameters(), *at.manual.named_buffers()]:
        twin = theirs.get(at.pairing.tensors.get(name, name))
        if not x.is_floating_point() or twin is None or twin.shape != x.shape:
            continue
        by = 0.5 + torch.rand(x.shape, generator=generator, dtype=torch.float64)
        moved = x.data * by + 0.2 * torch.rand(x.shape, generator=generator, dtype=torch.float64)
        x.data.copy_(moved)
        twin.data.copy_(moved)


def _forward(at: Arrangement) -> tuple[list[Tensor], dict[Key, Tensor]]:
    given = Case.given(at.given)
    leaves = {Key(Kind.INPUT, place=i): x for i, x in enumerate(given.differentiated)}
    if isinstance(at.manual, nn.Module):
        leaves |= {
            Key(Kind.PARAMETER, n): p for n, p in at.manual.named_parameters() if p.requires_grad
        }
    with undisturbed(given.tensors), torch.enable_grad(), _unmoved(at.manual):
        given.random_state.restore()
        # A layer that works in place must not be given a leaf.
        args, kwargs = map_tensors(
            lambda x: x.clone() if x.requires_grad else x, (given.args, given.kwargs)
        )
        outputs = list(tensors_in(at.manual(*args, **kwargs)))
    return outputs, leaves


@contextmanager
def _unmoved(model: Any) -> Iterator[None]:
    """Buffers that a forward moves are brought back: each forward starts from the same ones."""
    buffers = list(model.buffers()) if isinstance(model, nn.Module) else []
    before = [x.detach().clone() for x in buffers]
    try:
        yield
    finally:
        for x, value in zip(buffers, before, strict=True):
            x.data.copy_(value)


def _tensors(value: Any) -> list[Tensor]:
    """All in it, however deep, and what NumPy's arrays see of their memory."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [x for inner in value for x in _tensors(inner)]
    try:
        return [torch.as_tensor(value)] if hasattr(value, "__array_interface__") else []
    except (TypeError, ValueError):  # an array of what is no number
        return []


def _rebuilt(value: Any) -> Any:
    """The same in lists and dicts of its own."""
    if isinstance(value, dict):
        return {key: _rebuilt(inner) for key, inner in value.items()}
    return [_rebuilt(inner) for inner in value] if isinstance(value, list) else value
