"""Function: how PyTorch is told about a backward that is written by hand."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from manual_backprop.kit.tangent import Keeping, tangents


class Function(torch.autograd.Function):
    """A ``torch.autograd.Function`` that works under ``grad``, ``vmap``, ``jvp`` and ``compile``.

    Subclasses write three static methods: ``forward(*inputs)``, ``setup_context(ctx, inputs,
    output)``, which saves inputs and outputs and computes nothing, and ``backward(ctx,
    grad_output)``, made of differentiable operations, so that it can be differentiated again.
    Forward mode follows from the backward; see ``tangent``.

    Three of PyTorch's Functions call these methods, and ``apply`` chooses among them.
    ``torch.func`` needs forward and setup_context apart, and PyTorch takes 5 µs longer to run them
    so and 5 µs more in the backward: where no transform is active, they run as one, by a Function
    of the older form. The compiler takes no Function that has a rule for forward mode.
    """

    generate_vmap_rule = True
    _at_once: Callable[..., Any]
    _transformed: Callable[..., Any]
    _arity: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)

        def at_once(ctx: Any, *inputs: Any) -> Any:
            output = cls.forward(*inputs)
            cls.setup_context(ctx, inputs, output)
            return output

        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            cls.setup_context(Keeping(ctx, inputs, output), inputs, output)

        def backward(ctx: Any, *grad_outputs: Any) -> Any:
            return cls.backward(ctx, *grad_outputs)

        def jvp(ctx: Any, *grad_inputs: Tensor | None) -> Any:
            return tangents(cls.backward, ctx, grad_inputs)

        older = {"forward": at_once, "backward": backward}
        apart = {"forward": cls.forward, "setup_context": setup_context, "backward": backward}
        cls._at_once = _function(cls, older).apply
        cls._transformed = _function(cls, {**apart, "jvp": jvp}, generate_vmap_rule=True).apply
        cls._arity = len(inspect.signature(cls.forward).parameters)

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """``forward(*args)``, differentiable by ``backward``."""
        if torch.compiler.is_compiling():
            return super().apply(*args)
        forward_mode = forward_ad._current_level >= 0
        if forward_mode or torch._C._are_functorch_transforms_active() or len(args) != cls._arity:
            return cls._transformed(*args)
        return cls._at_once(*args)


def _function(cls: type, methods: dict[str, Callable[..., Any]], **settings: Any) -> Any:
    """A Function of this name with these static methods."""
    static = {name: staticmethod(method) for name, method in methods.items()}
    return type(cls.__name__, (torch.autograd.Function,), {**static, **settings})
