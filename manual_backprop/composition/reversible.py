"""Reversible layers: what they were given is computed again from what came out, and not kept.

x has two halves, (a, b). Each layer f adds to one what it makes of the other, and they change
places:

    (a, b) ↦ (a′, b′) = (b, a + f(b))                   (a, b) = (b′ − f(a′), a′)

    (α′, β′) = ∂L/∂(a′, b′)         the gradient that arrives from above
    α = ∂L/∂a = β′                  β = ∂L/∂b = α′ + (∂f/∂b)ᵀ β′        ∂L/∂θ = (∂f/∂θ)ᵀ β′

So the backward goes from the last layer to the first, takes f(a′) off again and differentiates f
there, by f's own backward. What is kept is the last (a′, b′), however many layers there are, and
while one layer is differentiated what that one keeps. The price is one more forward.

Two layers in a row are the reversible block of the paper, y₁ = x₁ + F(x₂), y₂ = x₂ + G(y₁).

The halves come back as they were but for rounding, b′ − f(a′) being a + f(b) − f(b). θ are f's
parameters. Shapes: x, y, ∂L/∂y (…, 2d), a, b, α and β (…, d).

Source: Gomez, Ren, Urtasun, Grosse 2017 (RevNet); the coupling: Dinh, Krueger, Bengio 2014 (NICE).
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp

from manual_backprop.kit.function import Function
from manual_backprop.kit.precision import in_opmath
from manual_backprop.kit.public import public


class ReversibleFunction(Function):
    """y, in the type that is computed in: of half precision x would not come back from it.

    Backward: α = β′,  β = α′ + (∂f/∂b)ᵀβ′,  ∂L/∂θ = (∂f/∂θ)ᵀβ′  at b = a′
    """

    @staticmethod
    def forward(
        input: Tensor, layers: Sequence["FunctionalLayer"], autocast: Any, *parameters: Tensor
    ) -> Tensor:
        a, b = in_opmath(input)[0].chunk(2, -1)
        for f, θ in zip(layers, for_each(layers, parameters), strict=True):
            a, b = b, a + f(b.to(input.dtype), *θ)
        return torch.cat([a, b], -1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        input, ctx.layers, ctx.autocast, *parameters = inputs
        ctx.dtype = input.dtype
        ctx.save_for_backward(output, *parameters)

    @staticmethod
    def backward(ctx, grad_output):
        output, *parameters = ctx.saved_tensors
        (a, b), (α, β) = output.chunk(2, -1), grad_output.chunk(2, -1)
        grads: list[Tensor] = []
        for f, θ in reversed([*zip(ctx.layers, for_each(ctx.layers, parameters), strict=True)]):
            with torch.autocast(**ctx.autocast):
                f_a, transposed = vjp(f, a.to(ctx.dtype), *θ)[:2]
            back, *grad_θ = transposed(β.to(f_a.dtype))  # (∂f/∂b)ᵀ β′ and (∂f/∂θ)ᵀ β′
            a, b = b - f_a, a  # (b′ − f(a′), a′)
            α, β = β, α + back  # (β′, α′ + (∂f/∂b)ᵀ β′)
            grads = [*grad_θ, *grads]
        grad_input = torch.cat([α, β], -1).to(ctx.dtype)
        needed = zip(grads, ctx.needs_input_grad[3:], strict=True)
        return grad_input, None, None, *(g if needs else None for g, needs in needed)


class FunctionalLayer:
    """f(b, *θ) of a module, θ being its parameters."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        named = dict(module.named_parameters())
        self.names, self.parameters = tuple(named), tuple(named.values())

    def __call__(self, b: Tensor, *θ: Tensor) -> Tensor:
        return functional_call(self.module, dict(zip(self.names, θ, strict=True)), (b,))


def for_each(
    layers: Sequence[FunctionalLayer], parameters: Sequence[Tensor]
) -> list[Sequence[Tensor]]:
    """The parameters of all layers, cut into those of each."""
    ends = accumulate((len(f.names) for f in layers), initial=0)
    return [parameters[start:end] for start, end in pairwise(ends)]


@public()
def reversible(input: Tensor, layers: Iterable[nn.Module]) -> Tensor:
    """y, after the halves of x went through the layers as above.

    Args:
        input: x, shape (…, 2d).
        layers: each (…, d) → (…, d). They are run again in the backward: they must compute the same
            from the same, so none may draw random numbers or change its buffers.

    Returns:
        y, shape (…, 2d).

    Raises:
        RuntimeError: if a layer drew random numbers, as dropout does, or changed its buffers, as
            batch normalization does, both in training.
        ValueError: if the number of features is odd.
    """
    if input.dim() == 0 or input.shape[-1] % 2:
        raise ValueError(
            f"reversible: expected an even number of features, (…, 2d), got {tuple(input.shape)}"
        )
    device = input.device.type
    autocast = {
        "device_type": device,
        "enabled": torch.is_autocast_enabled(device),
        "dtype": torch.get_autocast_dtype(device),
    }
    of_module = [FunctionalLayer(module) for module in layers]
    θ = [t for f in of_module for t in f.parameters]
    if torch.compiler.is_compiling():
        return ReversibleFunction.apply(input, of_module, autocast, *θ).to(input.dtype)
    before = _changeable(input, layers)
    output = ReversibleFunction.apply(input, of_module, autocast, *θ)
    if before != _changeable(input, layers):
        raise RuntimeError(
            "reversible: expected layers that compute the same when they are run again, got one "
            "that draws random numbers or changes its buffers; leave out dropout and batch "
            "normalization, or call eval() on them"
        )
    return output.to(input.dtype)


def _changeable(input: Tensor, layers: Iterable[nn.Module]) -> tuple[Any, ...]:
    """What a layer has changed that draws random numbers or keeps running statistics."""
    on_gpu = input.device.type == "cuda"
    state = torch.cuda.get_rng_state(input.device) if on_gpu else torch.get_rng_state()
    versions = [buffer._version for module in layers for buffer in module.buffers()]
    return state.tolist(), versions


class Reversible(nn.Module):
    """Layers that keep only their last output: two are a block of the paper, four are two blocks.

    Args:
        layers: f of each, from (…, d) to (…, d), in the order in which they run.

    Raises:
        RuntimeError: (when called) if a layer draws random numbers or changes its buffers, as
            dropout and batch normalization do in training.
        ValueError: (when called) if the input has an odd number of features.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, input: Tensor) -> Tensor:
        return reversible(input, self.layers)
