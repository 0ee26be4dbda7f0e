"""A model that is run again and again from the same weights, buffers and random numbers."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from compare.trial.errors import ComparisonError, said
from compare.trial.given import Given
from compare.trial.key import LOSS, Kind
from compare.trial.randomness import RandomState, random_state, undisturbed
from compare.trial.recorder import Call, Model
from compare.trial.strides import copy_with_layout
from compare.trial.watch import Item, watch


class Case:
    """A model, with the loss that follows it if there is one, that leaves the original alone.

    All runs in one precision share one private copy, so that what a backward leaves behind for the
    next one shows; its parameters and buffers are brought back before each run.
    """

    def __init__(self, model: Model, loss: Model | None = None, *, by_layer: bool = True) -> None:
        self.model: Any = model  # a module or a function
        self.loss: Any = loss
        self.by_layer = by_layer
        self._copies: dict[torch.dtype | None, tuple[Any, Any]] = {}

    def outputs(self, given: Given) -> list[Tensor]:
        """What is to be differentiated, detached: of the loss if there is one, else the output."""
        return self.differentiated(self.gradients(given, None)[0])

    def differentiated(self, items: Sequence[Item]) -> list[Tensor]:
        """Those among the items that are."""
        name = "" if self.loss is None else LOSS
        outputs = (i for i in items if i.kind is Kind.OUTPUT and i.key.name == name)
        return [item.tensor for item in outputs if item.tensor is not None]

    def gradients(
        self,
        given: Given,
        cotangents: Sequence[Tensor] | None,
        dtype: torch.dtype | None = None,
        *,
        parameters: dict[str, Tensor] | None = None,
    ) -> tuple[list[Item], RandomState]:
        """What ``watch`` gives, and the state of the random numbers after it.

        Args:
            given: Copied, so that nothing that the model does to it is seen outside.
            cotangents: See ``watch``.
            dtype: To compute in; None for that of the model and what it is given.
            parameters: Values to take in place of the model's own, by name.
        """
        model, loss = self.copies(dtype, awake=given.awake)
        if parameters:
            own = state(model)
            for name, value in parameters.items():
                _write(own[name], value)
        inside = self.given(given, dtype)
        with undisturbed(given.tensors), torch.enable_grad(), as_set(model, given):
            given.random_state.restore()
            run = watch(model, inside, loss, cotangents, by_layer=self.by_layer)
            return run.items, random_state(given.tensors)

    def calls(self, given: Given, cotangents: Sequence[Tensor] | None) -> list[Call]:
        """Every call of a module, in the order in which they ended; none for a function.

        Args:
            given: See ``gradients``.
            cotangents: Likewise; None for the forward alone.

        Raises:
            Exception: Whatever the model raises.
        """
        model, loss = self.copies()
        inside = self.given(given)
        with undisturbed(given.tensors), torch.enable_grad():
            given.random_state.restore()
            return watch(model, inside, loss, cotangents).calls

    def copies(self, dtype: torch.dtype | None = None, *, awake: bool = False) -> tuple[Any, Any]:
        """Private copies of model and loss in ``dtype``, with the original's numbers in them.

        ``awake``: but for parameters that are zero all over, which get others.
        """
        if dtype not in self._copies:
            self._copies[dtype] = _copied(self.model, dtype), _copied(self.loss, dtype)
        for original, private in zip((self.model, self.loss), self._copies[dtype], strict=True):
            numbers = state(private)
            for name, value in state(original).items():
                asleep = awake and isinstance(value, nn.Parameter) and is_zero(value)
                _write(numbers[name], _other_numbers(value) if asleep else value)
        return self._copies[dtype]

    @staticmethod
    def given(given: Given, dtype: torch.dtype | None = None) -> Given:
        """A copy of it that shares no memory, in ``dtype``."""
        return given.map(lambda x: copy_with_layout(x, dtype if x.is_floating_point() else None))


@contextmanager
def as_set(model: Any, given: Given) -> Iterator[None]:
    """In the mode, and with parameters as frozen, as is given; then back to what each was."""
    if not isinstance(model, nn.Module) or (given.training is None and not given.frozen):
        yield
        return
    modes = {module: module.training for module in model.modules()}
    trained = [p for p in model.parameters() if given.frozen and p.requires_grad]
    if given.training is not None:
        model.train(given.training)
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter in trained:
            parameter.requires_grad_(True)


def _copied(model: Any, dtype: torch.dtype | None) -> Any:
    try:
        model = copy.deepcopy(model)
    except Exception as error:
        raise ComparisonError(
            f"{type(model).__name__} cannot be copied, so running it would change it: {said(error)}"
        ) from error
    return model.to(dtype) if dtype and isinstance(model, nn.Module) else model


def is_zero(x: Tensor) -> bool:
    """Whether it has numbers, and all are zero."""
    return x.numel() > 0 and not bool(x.any())


def _other_numbers(x: Tensor) -> Tensor:
    """The same for each tensor of this shape and dtype, whatever model it is in."""
    drawn = torch.randn(x.shape, generator=torch.Generator().manual_seed(x.numel()))
    return (drawn / max(x[0].numel() if x.dim() else 1, 1) ** 0.5).to(x)


def _write(target: Tensor, value: Tensor) -> None:
    with torch.no_grad():
        target.copy_(value)


def truth(case: Case, given: Given, cotangents: Sequence[Tensor], after: RandomState) -> list[Item]:
    """The same run in float64.

    Raises:
        ComparisonError: It cannot be had, or left other random numbers behind than ``after``.
    """
    try:
        items, after_in_float64 = case.gradients(
            given, [c.double() for c in cotangents], torch.float64
        )
    except (RuntimeError, TypeError) as error:
        raise ComparisonError(
            f"the reference does not run in float64, so there is no truth to judge by: {error}"
        ) from error
    if any(item.tensor is not None and item.tensor.dtype != torch.float64 for item in items):
        raise ComparisonError(
            "the reference leaves float64 although its inputs and weights are float64, so there is "
            "no truth to judge by: let its dtype follow its inputs"
        )
    if after != after_in_float64:
        raise ComparisonError(
            "the reference draws other random numbers in float64, so that its float64 run is not "
            "the truth: compare in eval mode, or give the random tensors as inputs"
        )
    return items


def state(model: Model | None) -> dict[str, Tensor]:
    """Parameters and buffers by name; nothing for a function."""
    if not isinstance(model, nn.Module):
        return {}
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
