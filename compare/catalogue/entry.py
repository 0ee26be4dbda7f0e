"""What the catalogue says of a layer."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

import manual_backprop
from compare.catalogue.host import Host, LossHost
from compare.catalogue.rewritten import Formula
from compare.catalogue.specimen import Bug, Specimen, planted
from compare.catalogue.values import drawn_normal


@dataclass(frozen=True)
class FunctionCall:
    """What a function is called with. Floating-point arguments are float64, options constant."""

    arguments: tuple[Any, ...]  # a gradient is taken to the floating-point ones, also in tuples
    options: Mapping[str, Any]
    constants: tuple[int, ...]  # but not to the arguments at these positions


def call(*arguments: Any, constants: tuple[int, ...] = (), **options: Any) -> FunctionCall:
    """``function(*arguments, **options)``."""
    return FunctionCall(arguments, options, constants)


@dataclass(frozen=True)
class Entry:
    """A layer: what it is called, what it is tried on, what is planted in it.

    ``module`` and ``function`` are its names in ``manual_backprop`` and ``torch.nn``, and in their
    ``functional``. A layer without a module has None; a function without a name in ``functional``
    is given itself.
    """

    module: str | None
    function: str | Callable[..., Any]

    calls: Sequence[FunctionCall]
    """Of the function: one for each option and kind of shape. Every check is made of each."""
    special: Sequence[FunctionCall] = ()
    """Kinks, ties, saturation, NaN, nothing at all: what comes out must be what PyTorch gives."""

    modules: Sequence[Mapping[str, Any]] = ({},)
    """Options of the module; ``compare.layers`` shows the first."""
    inputs: Callable[[], tuple[Any, ...]] = drawn_normal
    """What the module is given, float32, drawn anew by each call."""

    twin_module: type[nn.Module] | None = None
    """What the module is compared with where ``torch.nn`` has none of that name."""
    twin_function: Callable[..., Any] | None = None
    """The same of the function."""
    derivation: type[torch.autograd.Function] | None = None
    """The Function whose docstring has the equation, where it is not ``<title>Function``."""

    host: Host | LossHost | None = None
    """The network that bugs are planted in."""
    wrong: Mapping[str, Bug] = field(default_factory=dict)
    """Backwards that people write for it: each must be found, blamed and called what it is."""
    right: Mapping[str, Formula] = field(default_factory=dict)
    """Right ones, by what is special about them: none may be accused."""

    @property
    def function_name(self) -> str:
        """The function's own name."""
        return self.function if isinstance(self.function, str) else self.function.__name__

    @property
    def name(self) -> str:
        """The module's, or the function's where there is no module."""
        return self.module or self.function_name

    @property
    def title(self) -> str:
        """The name; of a loss without that word, as in ``MSEFunction``."""
        return self.name.removesuffix("Loss")

    @property
    def manual_function(self) -> Callable[..., Any]:
        """The one with the hand-written backward."""
        if isinstance(self.function, str):
            return getattr(manual_backprop.functional, self.function)
        return self.function

    @property
    def reference_function(self) -> Callable[..., Any]:
        """The one that autograd differentiates."""
        return self.twin_function or getattr(nn.functional, self.function_name)

    def twins(self, options: Mapping[str, Any]) -> tuple[Any, Any]:
        """The module and its twin, or the functions where there is no module."""
        if self.module is None:
            functions = self.manual_function, self.reference_function
            return partial(functions[0], **options), partial(functions[1], **options)
        manual = getattr(manual_backprop, self.module)
        reference = self.twin_module or getattr(nn, self.module)
        return manual(**options), reference(**options)

    @property
    def derived_by(self) -> type[torch.autograd.Function]:
        """The Function whose docstring has the equation.

        Raises:
            LookupError: there is none.
        """
        if self.derivation:
            return self.derivation
        name = f"{self.title}Function"
        module = getattr(manual_backprop, self.module or "", None)
        found = getattr(sys.modules[module.__module__], name, None) if module else None
        if found is None:
            raise LookupError(f"{self.name}: its file has no {name}, nor its entry a derivation")
        return found

    @property
    def equation(self) -> str:
        """The equation of its backward, in a paragraph that starts with ``Backward:``.

        Raises:
            LookupError: there is none.
        """
        for paragraph in (inspect.getdoc(self.derived_by) or "").split("\n\n"):
            if paragraph.startswith("Backward: "):
                return " ".join(paragraph.removeprefix("Backward: ").splitlines())
        raise LookupError(
            f"{self.derived_by.__name__}: expected a paragraph of its docstring to be the equation "
            "of its backward, as in 'Backward: g ⊙ (1 − a²)'"
        )

    @property
    def file(self) -> str:
        """Where its backward is derived."""
        return f"{self.derived_by.__module__.replace('.', '/')}.py"

    def specimens(self) -> list[Specimen]:
        """What is planted in it."""
        return planted(self.title, self.host, self.wrong, self.right) if self.host else []
