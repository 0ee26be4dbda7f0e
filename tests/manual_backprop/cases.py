"""The calls that the catalogue describes, each of a hand-written function and of its twin."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from compare.catalogue import entries
from compare.catalogue.entry import Entry, FunctionCall
from compare.trial.given import tensors_in
from tests.manual_backprop.older_pytorch import differs


@dataclass(frozen=True)
class Case:
    entry: Entry
    given: FunctionCall

    @property
    def name(self) -> str:
        return self.entry.function_name

    def call(self, *args: Any) -> Any:
        return self.entry.manual_function(*args, **self.given.options)

    def call_reference(self, *args: Any) -> Any:
        return self.entry.reference_function(*args, **self.given.options)

    def __str__(self) -> str:
        arguments = "x".join(shown(a) for a in self.given.arguments if a is not None)
        options = ",".join(f"{key}={shown(a)}" for key, a in self.given.options.items())
        return f"{self.name}-{arguments.replace(' ', '')}" + (f"-{options}" if options else "")


def shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"({','.join(map(shown, value))})"
    return str(tuple(value.shape) if isinstance(value, Tensor) else value)


def in_full(entry: Entry) -> FunctionCall:
    """The first call of at most a hundred numbers: the derivatives are as many as their pairs."""

    def size(call: FunctionCall) -> int:
        return sum(a.numel() for a in tensors_in(call.arguments))

    return next((call for call in entry.calls if size(call) <= 100), entry.calls[0])


def _of(entry: Entry, *, special: bool) -> list[Case]:
    calls = entry.special if special else entry.calls
    return [
        Case(entry, call)
        for call in calls
        if not differs(entry.function_name, call.arguments, call.options, special)
    ]


CASES = [case for entry in entries() for case in _of(entry, special=False)]
#: Functions that PyTorch has not.
OURS_ALONE = {entry.function_name for entry in entries() if entry.twin_function}
SPECIAL = [case for entry in entries() for case in _of(entry, special=True)]
