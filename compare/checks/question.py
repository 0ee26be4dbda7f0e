"""What the checks are about: two models and what they are given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from compare.trial.case import Case
from compare.trial.cotangents import random
from compare.trial.given import Given, given, tensors_in
from compare.trial.pairing import Pairing, pair, with_state_of
from compare.trial.randomness import random_state
from compare.trial.trial import feed
from compare.trial.watch import Model


@dataclass(frozen=True)
class Question:
    """The arguments of ``compare_gradients``, and what all checks make of them."""

    manual: Model
    reference: Model
    loss: Any  # a loss, a pair of losses, or None
    inputs: Sequence[Any]
    targets: Any
    mapping: Mapping[str, str] | None = None
    seed: int = 0

    @cached_property
    def pairing(self) -> Pairing:
        """Which parameter is which."""
        return pair(self.manual, self.reference, self.mapping)

    @cached_property
    def given(self) -> Given:
        """What goes in."""
        return given(self.inputs, self.targets, random_state(tensors_in(list(self.inputs))))

    def manual_case(self) -> Case:
        """Manual with the reference's weights, and its loss."""
        loss = self.loss[0] if isinstance(self.loss, tuple) else self.loss
        model = with_state_of(self.reference, self.manual, self.pairing)
        return Case(model, loss, by_layer=False)

    def reference_case(self) -> Case:
        """The reference and its loss."""
        loss = self.loss[1] if isinstance(self.loss, tuple) else self.loss
        return Case(self.reference, loss, by_layer=False)

    def cotangents(self, given: Given | None = None) -> list[Tensor]:
        """A random incoming gradient for what the reference gives out."""
        return feed(random, self.reference_case().outputs(given or self.given), self.seed)


def parameters(model: Model) -> dict[str, Tensor]:
    """Those that require a gradient, by name."""
    if not isinstance(model, nn.Module):
        return {}
    return {name: p for name, p in model.named_parameters() if p.requires_grad}
