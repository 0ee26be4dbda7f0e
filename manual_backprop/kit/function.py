"""What all hand-written Functions share: how PyTorch is told about them.

A layer's file holds mathematics. What PyTorch asks for besides it stands here, once:

* ``Function``: the base class. ``forward`` without ``ctx`` and a separate ``setup_context``, so
  that ``torch.func`` can differentiate and ``vmap`` it.
* ``functional``: the decorator of every public function: autocast, and no complex numbers.
* ``in_opmath``: half precision is computed in float32, as in PyTorch's own kernels.
* ``overwrite``: what ``inplace=True`` means for a Function that must not change its input.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import torch
from torch import Tensor

HALF_PRECISION = (torch.float16, torch.bfloat16)


class Function(torch.autograd.Function):
    """A ``torch.autograd.Function`` that works under ``grad``, ``vmap`` and ``compile`` alike.

    Subclasses write three static methods: ``forward(*inputs)``, ``setup_context(ctx, inputs,
    output)``, which saves inputs and outputs and computes nothing, and ``backward(ctx,
    grad_output)``, made of differentiable operations, so that it can be differentiated again.

    ``torch.func`` needs the first two apart, and PyTorch takes 5 µs longer to run them and 5 µs
    more in the backward. So where no transform is active, ``apply`` runs them as one, by a
    Function of the older form that has the same name and calls the same three methods.
    """

    generate_vmap_rule = True
    _at_once: Callable[..., Any]
    _arity: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)

        def forward(ctx: Any, *inputs: Any) -> Any:
            output = cls.forward(*inputs)
            cls.setup_context(ctx, inputs, output)
            return output

        def backward(ctx: Any, *grad_outputs: Any) -> Any:
            return cls.backward(ctx, *grad_outputs)

        methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
        older: Any = type(cls.__name__, (torch.autograd.Function,), methods)
        # One that has a rule of its own for forward mode keeps it.
        has_jvp = cls.jvp is not torch.autograd.Function.jvp
        cls._at_once = super().apply if has_jvp else older.apply
        cls._arity = len(inspect.signature(cls.forward).parameters)

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """``forward(*args)``, differentiable by ``backward``."""
        transformed = torch._C._are_functorch_transforms_active()
        if transformed or torch.compiler.is_compiling() or len(args) != cls._arity:
            return super().apply(*args)
        return cls._at_once(*args)


Precision = Literal["lower", "float32"]
F = TypeVar("F", bound=Callable[..., Tensor])


def functional(
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


def in_opmath(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, those in half precision as float32.

    A derivative of several operations loses a rounding at each in half precision. PyTorch's
    kernels compute in float32 and round once; so does a backward that starts with this and ends
    with ``.to(grad_output.dtype)``.
    """
    return tuple(t.float() if t.dtype in HALF_PRECISION else t for t in tensors)


def overwrite(function: Callable[[Tensor], Tensor], input: Tensor) -> Tensor:
    """``inplace=True``: write ``function(input)`` over ``input`` and return it.

    The Function itself sees a copy, whose values the backward can rely on. So this gives the
    semantics of PyTorch's in-place activations, errors for leaves included, but saves no memory.
    """
    return input.copy_(function(input.clone()))
