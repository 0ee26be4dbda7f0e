"""What the user asks: two models that should be the same function, and what they are given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from compare.trial.case import Case
from compare.trial.cotangents import feed, random
from compare.trial.given import Given, given, tensors_in
from compare.trial.pairing import Pairing, pair, with_state_of
from compare.trial.randomness import random_state
from compare.trial.recorder import Model
from compare.trial.sides import Sides


@dataclass(frozen=True)
class Question:
    """The arguments of ``compare_gradients``, and what everyone makes of them.

    ``loss`` is what to differentiate: a function, a pair (manual's, the reference's), or None for
    the output itself. ``mapping`` has names of manual's submodules, parameters or buffers, each
    with its counterpart's in the reference.
    """

    manual: Any  # a module or a function
    reference: Any
    inputs: Sequence[Any]
    loss: Any = None
    targets: Any = None
    mapping: Mapping[str, str] | None = None
    seed: int = 0

    @cached_property
    def pairing(self) -> Pairing:
        """Which parameter is which."""
        return pair(self.manual, self.reference, self.mapping)

    @cached_property
    def given(self) -> Given:
        """What goes in."""
        inputs = tuple(self.inputs)
        return given(inputs, self.targets, random_state(tensors_in(inputs)))

    @property
    def losses(self) -> tuple[Any, Any]:
        """Manual's and the reference's."""
        return self.loss if isinstance(self.loss, tuple) else (self.loss, self.loss)

    def manual_case(self, *, by_layer: bool = False) -> Case:
        """Manual with the reference's weights, and its loss."""
        model = with_state_of(self.reference, self.manual, self.pairing)
        return Case(model, self.losses[0], by_layer=by_layer)

    def reference_case(self, *, by_layer: bool = False) -> Case:
        """The reference and its loss."""
        return Case(self.reference, self.losses[1], by_layer=by_layer)

    def sides(self, *, by_layer: bool = False) -> Sides:
        """Both, ready to be run."""
        manual = self.manual_case(by_layer=by_layer)
        return Sides(manual, self.reference_case(by_layer=by_layer), self.pairing)

    def cotangents(self, given: Given | None = None) -> list[Tensor]:
        """A random incoming gradient for what the reference gives out."""
        return feed(random, self.reference_case().outputs(given or self.given), self.seed)


def parameters(model: Model) -> dict[str, Tensor]:
    """Those that require a gradient, by name."""
    if not isinstance(model, nn.Module):
        return {}
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
