"""One forward and one backward of a model, and everything that can be compared afterwards.

The items come in backward order, the order in which an error spreads: the output, then for each
layer from last to first its δ and its parameters' gradients, then the inputs' gradients.

δ of a layer is the gradient of what is differentiated with respect to the layer's output; for a
Linear that is the notes' δ = ∂L/∂z. A layer is a module without children, or with parameters of
its own. The δ of a layer whose output is the model's is left out where it is what was fed in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from compare.trial.given import Given, map_tensors, tensors_in
from compare.trial.strides import copy_with_layout

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

    def receive(self, gradient: Tensor | None) -> None:
        if gradient is not None:  # as of an output that nobody used, beside others that were
            self.gradient = gradient.detach().clone()  # the engine may write into its own


def capture(
    model: Model,
    given: Given,
    loss: Model | None,
    cotangents: Sequence[Tensor] | None,
    *,
    by_layer: bool = True,
) -> list[Item]:
    """Run the model forward and backward once.

    Args:
        model: A module or function.
        given: Its arguments; the gradient is taken to those that require one.
        loss: Called with the output, and with ``given.targets`` unless they are None.
        cotangents: The incoming gradients, one for each tensor of the output or loss. Where they
            do not fit, or are None, only the outputs are returned: there is no backward to speak
            of.
        by_layer: Whether to give each layer's δ.
    """
    with _Watch(model if by_layer else None) as watch:
        if not isinstance(model, nn.Module):
            watch.took((given.args, given.kwargs), class_name(model))
        # A layer that works in place must not be given a leaf; where it does, a model is to blame.
        args, kwargs = (
            (given.args, given.kwargs)
            if by_layer
            else map_tensors(
                lambda x: x.clone() if x.requires_grad else x, (given.args, given.kwargs)
            )
        )
        output = model(*args, **kwargs)
        roots = list(tensors_in(output))
        items = _outputs("output", roots)
        if loss is not None:
            watch.took(output, f"loss {class_name(loss)}".strip())
            lost = loss(output) if given.targets is None else loss(output, given.targets)
            roots = list(tensors_in(lost))
            items = _outputs("loss", roots) + items
        if cotangents is None or [r.shape for r in roots] != [c.shape for c in cotangents]:
            return items

        parameters: dict[str, Tensor] = {}
        if isinstance(model, nn.Module):
            parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        leaves = given.differentiated
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

    def __init__(self, model: Model | None) -> None:
        self.deltas: list[_Delta] = []
        self.labels: dict[str, str] = {}
        self.input_taken_by: dict[int, list[str]] = {}
        self._given: dict[int, list[_Delta]] = {}
        self._calls: dict[str, int] = {}
        self._handles: list[RemovableHandle] = []
        for name, module in model.named_modules() if isinstance(model, nn.Module) else ():
            if is_layer(module):
                self._watch(module, name)

    def __enter__(self) -> "_Watch":
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _watch(self, module: nn.Module, name: str) -> None:
        label = self.labels[name] = f"{name} {class_name(module)}".strip()

        def before(_: nn.Module, args: Any, kwargs: Any) -> None:
            self.took((args, kwargs), label)

        def after(_: nn.Module, args: Any, output: Any) -> Any:
            output = apart(output)
            call = self._calls[name] = self._calls.get(name, 0) + 1
            again = f" (call {call})" if call > 1 else ""
            outputs = list(tensors_in(output))
            for i, tensor in enumerate(outputs):
                shown = f"{label}{_numbered('', i, outputs)}{again} δ"
                delta = _Delta(f"δ {name} {call} {i}", shown, name, tensor, tensor.detach().clone())
                if tensor.requires_grad:
                    # On the tensor, not on the module: right even if the next layer works in place.
                    self._handles.append(tensor.register_hook(delta.receive))
                self.deltas.append(delta)
                self._given.setdefault(id(tensor), []).append(delta)
            return output

        self._handles += [
            module.register_forward_pre_hook(before, with_kwargs=True),
            module.register_forward_hook(after),
        ]

    def took(self, value: Any, label: str) -> None:
        """Note that the layer called ``label`` was given these tensors."""
        for tensor in tensors_in(value):
            lists = [delta.taken_by for delta in self._given.get(id(tensor), [])]
            for takers in lists or [self.input_taken_by.setdefault(id(tensor), [])]:
                if label and label not in takers:
                    takers.append(label)


def apart(output: Any) -> Any:
    """Several outputs as copies, so that each one's gradient is what comes from outside.

    Where one is computed from the other, as the h of an LSTM is from its c, the gradient at c would
    have the part from h in it, and in a layer that computes both at once it would not.
    """
    if isinstance(output, tuple | list) and len(list(tensors_in(output))) > 1:
        return map_tensors(lambda x: x.clone() if x.requires_grad else x, output)
    return output


def is_layer(module: nn.Module) -> bool:
    """Whether it has no children, or parameters of its own."""
    has_parameters = next(module.parameters(recurse=False), None) is not None
    return has_parameters or next(module.children(), None) is None


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


def class_name(thing: Model) -> str:
    """Of a module its class, of a function its own name; nothing for a lambda."""
    return getattr(thing, "__name__", type(thing).__name__).replace("<lambda>", "")


def _numbered(word: str, i: int, among: Sequence[Any]) -> str:
    return f"{word} {i}" if len(among) > 1 else word
