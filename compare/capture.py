"""One forward and one backward of a model, and everything that can be compared afterwards.

The items come in backward order, the order in which an error spreads: the output, then for each
layer from last to first its δ and its parameters' gradients, then the inputs' gradients.

δ of a layer is the gradient of what is differentiated with respect to the layer's output; for a
Linear that is the notes' δ = ∂L/∂z. A layer is a module without children, or with parameters of
its own. The δ of a layer whose output is the model's is left out where it is what was fed in.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from compare.layout import copy_with_layout

Model = Callable[..., Any]


@dataclass(frozen=True)
class Item:
    """A tensor that two models can have in common: ``key`` pairs them, ``name`` is for people."""

    key: str
    name: str
    kind: str  # "output", "delta", "parameter" or "input"
    tensor: Tensor | None
    source: str = ""  # the layer whose backward computed it, where that can be told
    value: Tensor | None = None  # of a δ: what the layer gave out, at which δ is the gradient


@dataclass
class _Delta:
    """A layer's output on the way forward; its gradient once the backward has passed."""

    key: str
    name: str
    layer: str
    output: Tensor
    value: Tensor  # of the output, a copy: the next layer may work in place
    taken_by: list[str] = field(default_factory=list)
    gradient: Tensor | None = None

    def receive(self, gradient: Tensor) -> None:
        self.gradient = gradient.detach().clone()  # the engine may write into its own


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


def forward(model: Model, inputs: Sequence[Any], loss: Model | None, targets: Any) -> list[Tensor]:
    """What is differentiated: the tensors in the model's output or, with a loss, in the loss."""
    output = model(*inputs)
    return list(tensors_in(output if loss is None else _lose(loss, output, targets)))


def _lose(loss: Model, output: Any, targets: Any) -> Any:
    return loss(output) if targets is None else loss(output, targets)


def capture(
    model: Model,
    inputs: Sequence[Any],
    loss: Model | None,
    targets: Any,
    cotangents: Sequence[Tensor],
) -> list[Item]:
    """Run the model forward and backward once.

    Args:
        model: A module or function. It gets hooks that stay, so hand over a copy.
        inputs: Its arguments; the gradient is taken to those that require one.
        loss: Called with the output, and with targets unless they are None.
        targets: Anything.
        cotangents: The incoming gradients, one for each tensor of the output or loss. Where they
            do not fit, only the outputs are returned: there is no backward to speak of.
    """
    watch = _Watch(model)
    if not isinstance(model, nn.Module):
        watch.took(inputs, _class_name(model))
    output = model(*inputs)
    roots = list(tensors_in(output))
    items = _outputs("output", roots)
    if loss is not None:
        watch.took(output, f"loss {_class_name(loss)}".strip())
        roots = list(tensors_in(_lose(loss, output, targets)))
        items = _outputs("loss", roots) + items
    if [root.shape for root in roots] != [cotangent.shape for cotangent in cotangents]:
        return items

    parameters: dict[str, Tensor] = {}
    if isinstance(model, nn.Module):
        parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    leaves = [x for x in tensors_in(list(inputs)) if x.requires_grad]
    gradients = _gradients(roots, [*parameters.values(), *leaves], cotangents)
    of_parameter = dict(zip(parameters, gradients, strict=False))

    fed_in = {id(root) for root in roots}
    for delta in reversed(watch.deltas):
        if id(delta.output) not in fed_in:
            source = ", ".join(delta.taken_by)
            items.append(Item(delta.key, delta.name, "delta", delta.gradient, source, delta.value))
        for name in [name for name in of_parameter if name.rpartition(".")[0] == delta.layer]:
            label = watch.labels[delta.layer]
            items.append(Item(name, name, "parameter", of_parameter.pop(name), label))
    items += [Item(name, name, "parameter", g) for name, g in of_parameter.items()]
    for i, (leaf, gradient) in enumerate(zip(leaves, gradients[len(parameters) :], strict=True)):
        source = ", ".join(watch.input_taken_by.get(id(leaf), []))
        items.append(Item(f"input {i}", _numbered("input", i, leaves), "input", gradient, source))
    return items


class _Watch:
    """Forward hooks that write down what each layer gives out, and which layer takes it in."""

    def __init__(self, model: Model) -> None:
        self.deltas: list[_Delta] = []
        self.labels: dict[str, str] = {}
        self.input_taken_by: dict[int, list[str]] = {}
        self._given: dict[int, list[_Delta]] = {}
        self._calls: dict[str, int] = {}
        for name, module in model.named_modules() if isinstance(model, nn.Module) else ():
            has_parameters = next(module.parameters(recurse=False), None) is not None
            if has_parameters or next(module.children(), None) is None:
                self._watch(module, name)

    def _watch(self, module: nn.Module, name: str) -> None:
        label = self.labels[name] = f"{name} {_class_name(module)}".strip()

        def before(_: nn.Module, args: Any, kwargs: Any) -> None:
            self.took((args, kwargs), label)

        def after(_: nn.Module, args: Any, output: Any) -> None:
            call = self._calls[name] = self._calls.get(name, 0) + 1
            again = f" (call {call})" if call > 1 else ""
            outputs = list(tensors_in(output))
            for i, tensor in enumerate(outputs):
                shown = f"{label}{_numbered('', i, outputs)}{again} δ"
                delta = _Delta(f"δ {name} {call} {i}", shown, name, tensor, tensor.detach().clone())
                if tensor.requires_grad:
                    # On the tensor, not on the module: right even if the next layer works in place.
                    tensor.register_hook(delta.receive)
                self.deltas.append(delta)
                self._given.setdefault(id(tensor), []).append(delta)

        module.register_forward_pre_hook(before, with_kwargs=True)
        module.register_forward_hook(after)

    def took(self, value: Any, label: str) -> None:
        """Note that the layer called ``label`` was given these tensors."""
        for tensor in tensors_in(value):
            lists = [delta.taken_by for delta in self._given.get(id(tensor), [])]
            for takers in lists or [self.input_taken_by.setdefault(id(tensor), [])]:
                if label and label not in takers:
                    takers.append(label)


def _gradients(
    roots: Sequence[Tensor], leaves: Sequence[Tensor], cotangents: Sequence[Tensor]
) -> Sequence[Tensor | None]:
    connected = [(r, c) for r, c in zip(roots, cotangents, strict=True) if r.requires_grad]
    if not connected or not leaves:
        return [None] * len(leaves)
    return torch.autograd.grad(
        [root for root, _ in connected],
        leaves,
        # A copy each: a backward that writes into its incoming gradient spoils nobody else's.
        [copy_with_layout(cotangent, root.dtype) for root, cotangent in connected],
        allow_unused=True,
    )


def _outputs(word: str, tensors: Sequence[Tensor]) -> list[Item]:
    return [
        Item(f"{word} {i}", _numbered(word, i, tensors), "output", tensor.detach())
        for i, tensor in enumerate(tensors)
    ]


def _class_name(thing: Model) -> str:
    return getattr(thing, "__name__", type(thing).__name__).replace("<lambda>", "")


def _numbered(word: str, i: int, among: Sequence[Any]) -> str:
    return f"{word} {i}" if len(among) > 1 else word
