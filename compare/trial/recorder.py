"""Every call of every module in one run: what it was given, gave out, and got back as gradient."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from compare.trial.given import Given, map_tensors, tensors_in
from compare.trial.randomness import random_state
from compare.trial.strides import copy_with_layout

Model = Callable[..., Any]


@dataclass
class Call:
    """One call of a module, with copies of all that went in and came out."""

    module: str  # dotted
    number: int  # 1 for the first call of this module, then 2, …
    given: Given
    is_layer: bool
    hidden: bool = False  # run where no gradient is recorded: it has no δ that could be seen
    began: int = 0  # place among all beginnings and ends of calls
    ended: int = 0
    result: Any = None  # what it returned
    incoming: list[Tensor | None] = field(default_factory=list)  # ∂L/∂ each tensor of the result
    taken_by: list[list[str]] = field(default_factory=list)  # the layers given each of them

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


class Recorder:
    """Watches a model inside ``with``; a function has no modules, and so no calls."""

    def __init__(self, model: Model | None) -> None:
        self.calls: list[Call] = []  # in the order in which they ended
        self.labels: dict[str, str] = {}  # of layers, for people
        self.input_taken_by: dict[int, list[str]] = {}  # id of an argument → layers given it
        self._makers: dict[int, list[tuple[Call, int]]] = {}  # id of a tensor → who gave it out
        self._open: list[Call | None] = []
        self._in_backward = False
        self._numbers: dict[str, int] = {}
        self._clock = 0
        self._handles: list[RemovableHandle] = []
        # A tensor that many modules pass on is copied once. The tensor itself is kept, too, so
        # that nobody else gets its id.
        self._copies: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        for name, module in model.named_modules() if isinstance(model, nn.Module) else ():
            if is_layer(module):
                self.labels[name] = f"{name} {class_name(module)}".strip()
            self._handles += [
                module.register_forward_pre_hook(self._before(name), with_kwargs=True),
                module.register_forward_hook(self._after),
            ]

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    @contextmanager
    def backward(self) -> Iterator[None]:
        """Within ``with`` layers run again, as checkpointing has them, and do not count twice."""
        self._in_backward = True
        try:
            yield
        finally:
            self._in_backward = False

    def took(self, value: Any, layer: str) -> None:
        """Note that the layer was given these tensors."""
        for tensor in tensors_in(value):
            lists = [call.taken_by[i] for call, i in self._makers.get(id(tensor), [])]
            for takers in lists or [self.input_taken_by.setdefault(id(tensor), [])]:
                if layer not in takers:
                    takers.append(layer)

    def made(self, tensor: Tensor, call: Call, index: int) -> bool:
        """Whether the call gave out this very tensor there."""
        return any(c is call and i == index for c, i in self._makers.get(id(tensor), []))

    def _before(self, name: str) -> Any:
        def before(module: nn.Module, args: Any, kwargs: Any) -> None:
            if self._in_backward:
                self._open.append(None)
                return
            if is_layer(module):
                self.took((args, kwargs), name)
            number = self._numbers[name] = self._numbers.get(name, 0) + 1
            state = random_state(tensors_in((args, kwargs)))
            args, kwargs = map_tensors(self._copy, (args, kwargs))
            self._clock += 1
            given = Given(args, kwargs, None, state)
            hidden = not torch.is_grad_enabled()
            call = Call(name, number, given, is_layer(module), hidden, began=self._clock)
            self._open.append(call)

        return before

    def _after(self, module: nn.Module, args: Any, result: Any) -> Any:
        call = self._open.pop()
        if call is None:
            return result
        result = apart(result)
        self._clock += 1
        call.result, call.ended = map_tensors(self._copy, result), self._clock
        for i, tensor in enumerate(tensors_in(result)):
            call.incoming.append(None)
            call.taken_by.append([])
            if call.is_layer:
                self._makers.setdefault(id(tensor), []).append((call, i))
            if tensor.requires_grad:

                def receive(gradient: Tensor | None, i: int = i) -> None:
                    # None of an output that nobody used, beside others that were.
                    if gradient is not None:
                        call.incoming[i] = copy_with_layout(gradient)

                # On the tensor, not on the module: right even if the next layer works in place.
                self._handles.append(tensor.register_hook(receive))
        self.calls.append(call)
        return result

    def _copy(self, x: Tensor) -> Tensor:
        key = id(x), x._version
        if key not in self._copies:
            self._copies[key] = x, copy_with_layout(x).requires_grad_(x.requires_grad)
        return self._copies[key][1]


def apart(output: Any) -> Any:
    """Several outputs as copies, so that each one's gradient is what comes from outside.

    Where one is computed from the other, as the h of an LSTM is from its c, the gradient at c would
    have the part from h in it, and in a layer that computes both at once it would not.
    """
    if isinstance(output, tuple | list) and len(list(tensors_in(output))) > 1:
        return map_tensors(lambda x: x.clone() if x.requires_grad else x, output)
    return output


def is_layer(module: nn.Module) -> bool:
    """Whether it has no children, or parameters of its own."""
    has_parameters = next(module.parameters(recurse=False), None) is not None
    return has_parameters or next(module.children(), None) is None


def class_name(thing: Model) -> str:
    """Of a module its class, of a function its own name; nothing for a lambda."""
    return getattr(thing, "__name__", type(thing).__name__).replace("<lambda>", "")


def layers_in(calls: Sequence[Call]) -> list[str]:
    """The modules in the order of their first calls."""
    return list(dict.fromkeys(call.module for call in calls))
