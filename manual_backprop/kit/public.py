"""public: what every public function does before its mathematics.

PyTorch's autocast rules, and a clear error for complex numbers.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import torch
from torch import Tensor

Precision = Literal["lower", "float32", "widest"]
F = TypeVar("F", bound=Callable[..., Any])


def public(
    *, cpu: Precision | None = None, cuda: Precision | None = None, input_as_is: bool = False
) -> Callable[[F], F]:
    """Make a public function of one that calls Functions: PyTorch's autocast rules, real numbers.

    Args:
        cpu: what autocast on the CPU casts the floating-point arguments to: ``"lower"`` for
            autocast's own type, ``"float32"``, ``"widest"`` for the widest type among them, or
            ``None`` to leave them as they are.
        cuda: the same on an NVIDIA GPU. PyTorch's rules differ between the two.
        input_as_is: leave the first argument as it is.

    The casts are ordinary, differentiable ones, so each gradient comes back in its input's type.

    Raises:
        TypeError: (by the decorated function) for a complex argument: the equations are derived
            for real numbers and would be silently wrong.
    """
    policy = {"cpu": cpu, "cuda": cuda}

    def decorate(function: F) -> F:
        first = next(iter(inspect.signature(function).parameters))

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            input = args[0] if args else kwargs[first]
            if input.is_complex():
                raise TypeError(
                    f"{function.__name__}: expected a real tensor, got {input.dtype}; "
                    "the backward is derived for real numbers only"
                )
            if not torch._C._is_any_autocast_enabled():  # the quickest to ask, and usual
                return function(*args, **kwargs)
            device = input.device.type
            precision = policy.get(device)
            if precision is None or not torch.is_autocast_enabled(device):
                return function(*args, **kwargs)
            dtype = torch.float32 if precision == "float32" else torch.get_autocast_dtype(device)
            if precision == "widest":
                types = [a.dtype for a in (*args, *kwargs.values()) if _eligible(a, device)]
                dtype = functools.reduce(torch.promote_types, types, dtype)

            def cast_to(arg: Any) -> Any:
                as_is = input_as_is and arg is input
                return arg.to(dtype) if _eligible(arg, device) and not as_is else arg

            with torch.autocast(device, enabled=False):
                return function(
                    *map(cast_to, args), **{name: cast_to(arg) for name, arg in kwargs.items()}
                )

        wrapper.__doc__ = _naming_its_own_error(function)
        return cast(F, wrapper)

    return decorate


def _naming_its_own_error(function: Callable[..., Any]) -> str:
    """The docstring of a public function, whose last section says what it raises."""
    described = inspect.getdoc(function) or ""
    section = "" if "\nRaises:" in described else "\n\nRaises:"
    return f"{described}{section}\n    TypeError: for complex numbers."


def _eligible(arg: Any, device: str) -> bool:
    """Whether autocast would cast it: floating point, on the device, not double."""
    return (
        isinstance(arg, Tensor)
        and arg.is_floating_point()
        and arg.device.type == device
        and arg.dtype != torch.float64
    )
