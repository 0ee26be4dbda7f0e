"""A model with what it is given, run on copies; pairing two models; the truth.

Every run starts from the same weights, buffers, inputs and random state, so that it can be repeated
and leaves nothing behind.
"""

import copy
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from compare.capture import Item, Model, capture, forward, map_tensors, tensors_in
from compare.layout import copy_with_layout

M = TypeVar("M", bound=Model)


class ComparisonError(ValueError):
    """The two do not pair, or the reference cannot vouch for anything; the message says why."""


@dataclass(frozen=True)
class Case:
    """A model and what it is given. Every run gets copies, and the same random state."""

    model: Model
    loss: Model | None
    inputs: Sequence[Any]
    targets: Any

    def outputs(self) -> list[Tensor]:
        """What is to be differentiated, detached."""
        with self._fork(), torch.enable_grad():
            return [output.detach() for output in forward(*self._copies(None))]

    def gradients(
        self, cotangents: Sequence[Tensor], dtype: torch.dtype | None = None
    ) -> tuple[list[Item], Tensor]:
        """What ``capture`` gives, and the state of the CPU's random numbers after it."""
        with self._fork(), torch.enable_grad():
            items = capture(*self._copies(dtype), cotangents)
            return items, torch.get_rng_state()

    def _copies(self, dtype: torch.dtype | None) -> tuple[Model, Any, Model | None, Any]:
        def copied(x: Tensor) -> Tensor:
            wanted = dtype if x.is_floating_point() else None
            return copy_with_layout(x, wanted).requires_grad_(x.requires_grad)

        def copied_model(model: Any) -> Any:
            model = copy.deepcopy(model)
            return model.to(dtype) if dtype and isinstance(model, nn.Module) else model

        inputs, targets = map_tensors(copied, (self.inputs, self.targets))
        return copied_model(self.model), inputs, copied_model(self.loss), targets

    def _fork(self) -> AbstractContextManager[None]:
        tensors = [*tensors_in(list(self.inputs)), *state(self.model).values()]
        return fork_random_state(tensors)


def truth(case: Case, cotangents: Sequence[Tensor], random_state: Tensor) -> list[Item]:
    """The same run in float64.

    Raises:
        ComparisonError: It cannot be had, or used up other random numbers than ``random_state``.
    """
    try:
        items, state_in_float64 = case.gradients([c.double() for c in cotangents], torch.float64)
    except (RuntimeError, TypeError) as error:
        raise ComparisonError(
            f"the reference does not run in float64, so there is no truth to judge by: {error}"
        ) from error
    if any(item.tensor is not None and item.tensor.dtype != torch.float64 for item in items):
        raise ComparisonError(
            "the reference leaves float64 although all that it is given is float64, so there is no "
            "truth to judge by: let its dtype follow its inputs"
        )
    if not torch.equal(random_state, state_in_float64):
        raise ComparisonError(
            "the reference draws other random numbers in float64, so that its float64 run is not "
            "the truth: compare in eval mode, or give the random tensors as inputs"
        )
    return items


def with_state_of(reference: Model, manual: M) -> M:
    """A copy of manual with the reference's parameters, buffers and ``requires_grad``, by name.

    Raises:
        ComparisonError: One has a parameter or buffer that the other lacks, or of another shape.
    """
    manual = copy.deepcopy(manual)
    theirs, ours = state(reference), state(manual)
    for side, names in (
        ("manual", theirs.keys() - ours.keys()),
        ("the reference", ours.keys() - theirs.keys()),
    ):
        if names:
            raise ComparisonError(
                f"the two do not pair: {side} lacks {', '.join(sorted(names))}; "
                f"parameters and buffers must have the same names on both sides"
            )
    with torch.no_grad():
        for name, source in theirs.items():
            target = ours[name]
            if target.shape != source.shape:
                raise ComparisonError(
                    f"the two do not pair: {name} is {tuple(target.shape)} in manual and "
                    f"{tuple(source.shape)} in the reference"
                )
            target.copy_(source)
            if target.is_floating_point():
                target.requires_grad_(source.requires_grad)
    return manual


def state(model: Model) -> dict[str, Tensor]:
    """Parameters and buffers by name; nothing for a function."""
    if not isinstance(model, nn.Module):
        return {}
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def fork_random_state(tensors: Sequence[Tensor]) -> AbstractContextManager[None]:
    """What is random inside, on the CPU and the tensors' GPUs, uses up nothing outside."""
    return torch.random.fork_rng(devices=sorted({t.device.index for t in tensors if t.is_cuda}))
