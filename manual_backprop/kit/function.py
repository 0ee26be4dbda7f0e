"""Function: how PyTorch is told about a backward that is written by hand."""

import inspect
from collections.abc import Callable
from typing import Any

import torch


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
