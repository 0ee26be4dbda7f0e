"""What a model is given: arguments, targets, and the random numbers that it finds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from compare.trial.randomness import RandomState

GIVEN = "given"  # as the caller gave it; the other kinds are in ``derived``


@dataclass(frozen=True)
class Given:
    """The arguments of one call, and the random numbers that it finds."""

    args: Sequence[Any]
    kwargs: dict[str, Any]
    targets: Any  # the loss's second argument
    random_state: RandomState
    kind: str = GIVEN
    training: bool | None = None  # the mode that a module is put in; None leaves it as it is
    frozen: bool = False  # whether no parameter requires a gradient
    awake: bool = False  # whether parameters that are zero all over are other numbers
    optional: bool = False  # whether nobody expects that the reference takes it
    setting: bool = False  # the same values under other conditions, which both must take
    long: bool = False  # whether it takes seconds where what was given takes a tenth of one

    @property
    def tensors(self) -> list[Tensor]:
        """The floating-point tensors among the arguments, in order."""
        return list(tensors_in((self.args, self.kwargs)))

    @property
    def differentiated(self) -> list[Tensor]:
        """Those that a gradient is taken to."""
        return [x for x in self.tensors if x.requires_grad]

    def map(self, change: Callable[[Tensor], Tensor], kind: str | None = None) -> "Given":
        """Every tensor changed, targets included; what requires a gradient still does."""

        def changed(x: Tensor) -> Tensor:
            return change(x).requires_grad_(x.requires_grad)

        args, kwargs, targets = map_tensors(changed, (self.args, self.kwargs, self.targets))
        return replace(self, args=args, kwargs=kwargs, targets=targets, kind=kind or self.kind)

    def with_values(self, values: Sequence[Tensor]) -> "Given":
        """The floating-point tensors among the arguments replaced, in order.

        A gradient is taken to the same ones as before.
        """
        marks = [x.requires_grad for x in self.tensors]
        return self.with_tensors(
            [x.detach().requires_grad_(mark) for x, mark in zip(values, marks, strict=True)]
        )

    def with_tensors(self, tensors: Sequence[Tensor]) -> "Given":
        """The same as they are, with their own ``requires_grad``."""
        remaining = iter(tensors)
        args, kwargs = map_tensors(
            lambda x: next(remaining) if x.is_floating_point() else x, (self.args, self.kwargs)
        )
        return replace(self, args=args, kwargs=kwargs)


def given(args: Sequence[Any], targets: Any, state: RandomState) -> Given:
    """What the caller gave; a gradient is taken to all tensors unless some require one already."""
    some = any(x.requires_grad for x in tensors_in(args))

    def marked(x: Tensor) -> Tensor:
        return x.detach().requires_grad_(x.requires_grad if some else x.is_floating_point())

    return Given([map_tensors(marked, x) for x in args], {}, targets, state)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every floating-point tensor in nested tuples, lists and dicts, in order."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors_in(part)


def map_tensors(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """``value`` with every tensor in nested tuples, lists and dicts changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: map_tensors(change, part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        parts = [map_tensors(change, part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
