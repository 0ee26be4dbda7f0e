"""public: what every public function does before its mathematics.

PyTorch's autocast rules, and a clear error for complex numbers.
"""

import functools
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import torch
from torch import Tensor

Precision = Literal["lower", "float32"]
F = TypeVar("F", bound=Callable[..., Tensor])


def public(
    *, cpu: Precision | None = None, cuda: Precision | None = None, input_as_is: bool = False
) -> Callable[[F], F]:
    """Make a public function of one that calls Functions: PyTorch's autocast rules, real numbers.

    Args:
        cpu: what autocast on the CPU casts the floating-point arguments to: ``"lower"`` for
            autocast's own type, ``"float32"``, or ``None`` to leave them as they are.
        cuda: the same on an NVIDIA GPU. PyTorch's rules differ between the two.
        input_as_is: leave the first argument, ``input``, as it is.

    The casts are ordinary, differentiable ones, so each gradient comes back in its input's type.

    Raises:
        TypeError: (by the decorated function) for a complex argument: the equations are derived
            for real numbers and would be silently wrong.
    """
    policy = {"cpu": cpu, "cuda": cuda}

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Tensor:
            input = args[0] if args else kwargs["input"]
            if input.is_complex():
                raise TypeError(
                    f"{function.__name__}: expected a real tensor, got {input.dtype}; "
                    "the backward is derived for real numbers only"
                )
            device = input.device.type
            precision = policy.get(device)
            if precision is None or not torch.is_autocast_enabled(device):
                return function(*args, **kwargs)
            dtype = torch.float32 if precision == "float32" else torch.get_autocast_dtype(device)

            def cast_to(arg: Any) -> Any:
                return arg if input_as_is and arg is input else _autocast(arg, device, dtype)

            with torch.autocast(device, enabled=False):
                return function(
                    *map(cast_to, args), **{name: cast_to(arg) for name, arg in kwargs.items()}
                )

        return cast(F, wrapper)

    return decorate


def _autocast(arg: Any, device: str, dtype: torch.dtype) -> Any:
    """``arg`` in ``dtype`` if autocast would cast it: floating point, on the device, not double."""
    eligible = (
        isinstance(arg, Tensor)
        and arg.is_floating_point()
        and arg.device.type == device
        and arg.dtype != torch.float64
    )
    return arg.to(dtype) if eligible else arg
