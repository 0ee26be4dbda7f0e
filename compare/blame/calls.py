"""Every call of every module in one run: what it was given, gave out, and got back as gradient."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from compare.trial.case import Case
from compare.trial.given import Given, map_tensors, tensors_in
from compare.trial.randomness import random_state
from compare.trial.strides import copy_with_layout
from compare.trial.watch import apart


@dataclass
class Call:
    """One call of a module, with copies of all that went in and came out."""

    module: str  # dotted
    number: int  # 1 for the first call of this module, then 2, …
    given: Given
    result: Any = None  # what it returned
    incoming: list[Tensor | None] = field(default_factory=list)  # ∂L/∂ each tensor of the result
    began: int = 0  # place among all beginnings and ends of calls
    ended: int = 0

    @property
    def outputs(self) -> list[Tensor]:
        """The floating-point tensors of the result, in order."""
        return list(tensors_in(self.result))

    def cotangents(self) -> list[Tensor]:
        """What came back; zeros where an output was not used."""
        return [
            torch.zeros_like(output) if gradient is None else gradient
            for output, gradient in zip(self.outputs, self.incoming, strict=True)
        ]


def record(case: Case, given: Given, cotangents: Sequence[Tensor] | None) -> list[Call]:
    """The calls of the case's model in the order in which they ended; none for a function.

    Args:
        case: Its private copy is watched.
        given: see ``Case.gradients``.
        cotangents: likewise; None for the forward alone.

    Raises:
        Exception: Whatever the model raises.
    """
    model, _ = case.copies()
    recorder = _Recorder(given.targets)
    try:
        recorder.watch(model)
        case.gradients(given, cotangents)
    finally:
        recorder.remove()
    return recorder.calls


class _Recorder:
    def __init__(self, targets: Any) -> None:
        self.calls: list[Call] = []
        self._targets = targets
        self._open: list[Call] = []
        self._numbers: dict[str, int] = {}
        self._clock = 0
        self._handles: list[RemovableHandle] = []
        # A tensor that many modules pass on is copied once. The tensor itself is kept, too, so
        # that nobody else gets its id.
        self._copies: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def watch(self, model: Any) -> None:
        for name, module in model.named_modules() if isinstance(model, nn.Module) else ():
            self._handles += [
                module.register_forward_pre_hook(self._before(name), with_kwargs=True),
                module.register_forward_hook(self._after, with_kwargs=True),
            ]

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()

    def _before(self, name: str) -> Any:
        def before(_: nn.Module, args: Any, kwargs: Any) -> None:
            number = self._numbers[name] = self._numbers.get(name, 0) + 1
            state = random_state(tensors_in((args, kwargs)))
            args, kwargs = map_tensors(self._copy, (args, kwargs))
            self._clock += 1
            given = Given(args, kwargs, None, state)
            self._open.append(Call(name, number, given, began=self._clock))

        return before

    def _after(self, module: nn.Module, args: Any, kwargs: Any, result: Any) -> Any:
        result = apart(result)
        call = self._open.pop()
        self._clock += 1
        call.result, call.ended = map_tensors(self._copy, result), self._clock
        call.incoming = [None] * len(call.outputs)
        for i, tensor in enumerate(tensors_in(result)):
            if tensor.requires_grad:

                def receive(gradient: Tensor | None, i: int = i) -> None:
                    if gradient is not None:
                        call.incoming[i] = copy_with_layout(gradient)

                self._handles.append(tensor.register_hook(receive))
        self.calls.append(call)
        return result

    def _copy(self, x: Tensor) -> Tensor:
        key = id(x), x._version
        if key not in self._copies:
            self._copies[key] = x, copy_with_layout(x).requires_grad_(x.requires_grad)
        return self._copies[key][1]
