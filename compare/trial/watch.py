"""One forward and one backward of a model, and everything that can be compared afterwards.

The items come in backward order, the order in which an error spreads: the output, then for each
layer from last to first its δ and its parameters' gradients, then the inputs' gradients.

δ of a layer is the gradient of what is differentiated with respect to the layer's output; for a
Linear that is the notes' δ = ∂L/∂z. A layer is a module without children, or with parameters of
its own. The δ of a layer whose output is the model's is left out where it is what was fed in.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from compare.trial.given import Given, map_tensors, tensors_in
from compare.trial.key import LOSS, Key, Kind
from compare.trial.recorder import Call, Model, Recorder, class_name
from compare.trial.strides import copy_with_layout


@dataclass(frozen=True)
class Item:
    """A tensor that two models can have in common: ``key`` pairs them, ``name`` is for people."""

    key: Key
    name: str
    tensor: Tensor | None
    taken_by: tuple[str, ...] = ()  # the layers whose backward computed it, as far as can be told
    source: str = ""  # the same for people
    value: Tensor | None = None  # of a δ: what the layer gave out, at which δ is the gradient
    unrecorded: bool = False  # of a parameter: it was used where no gradient is recorded

    @property
    def kind(self) -> Kind:
        """What it is."""
        return self.key.kind


@dataclass(frozen=True)
class Run:
    """The items of one run, and the calls that were watched in it."""

    items: list[Item]
    calls: list[Call]


def watch(
    model: Model,
    given: Given,
    loss: Model | None,
    cotangents: Sequence[Tensor] | None,
    *,
    by_layer: bool = True,
) -> Run:
    """Run the model forward and backward once.

    Args:
        model: A module or function.
        given: Its arguments; the gradient is taken to those that require one.
        loss: Called with the output, and with ``given.targets`` unless they are None.
        cotangents: The incoming gradients, one for each tensor of the output or loss. Where they
            do not fit, or are None, only the outputs are returned: there is no backward to speak
            of.
        by_layer: Whether to watch each module.
    """
    if by_layer:
        try:
            return _watch(model, given, loss, cotangents, Recorder(model), lambda x: x)
        except RuntimeError as error:
            # PyTorch lets nothing work in place on a leaf; a model's first layer may want to.
            if "a leaf Variable that requires grad" not in str(error):
                raise
            given.random_state.restore()
    recorder = Recorder(model if by_layer else None)
    return _watch(model, given, loss, cotangents, recorder, lambda x: x.clone())


def _watch(
    model: Model,
    given: Given,
    loss: Model | None,
    cotangents: Sequence[Tensor] | None,
    recorder: Recorder,
    handed: Callable[[Tensor], Tensor],
) -> Run:
    with recorder:
        args, kwargs = map_tensors(
            lambda x: handed(x) if x.requires_grad else x, (given.args, given.kwargs)
        )
        recorder.labels[LOSS] = f"{LOSS} {class_name(loss)}".strip() if loss else LOSS
        if not isinstance(model, nn.Module):
            recorder.labels[""] = class_name(model)
            recorder.took((args, kwargs), "")
        passed = [x for x in tensors_in((args, kwargs)) if x.requires_grad]
        output = model(*args, **kwargs)
        roots = list(tensors_in(output))
        items = list(_outputs("output", "", roots))
        if loss is not None:
            recorder.took(output, LOSS)
            lost = loss(output) if given.targets is None else loss(output, given.targets)
            roots = list(tensors_in(lost))
            items = [*_outputs("loss", LOSS, roots), *items]
        if cotangents is None or [r.shape for r in roots] != [c.shape for c in cotangents]:
            return Run(items, recorder.calls)

        parameters: dict[str, Tensor] = {}
        if isinstance(model, nn.Module):
            parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        leaves = given.differentiated
        gradients = _gradients(recorder, roots, [*parameters.values(), *leaves], cotangents)
    of_parameter = dict(zip(parameters, gradients, strict=False))
    items += _of_layers(recorder, roots, of_parameter)
    for i, gradient in enumerate(gradients[len(parameters) :]):
        takers = tuple(recorder.input_taken_by.get(id(passed[i]), ()))
        name = numbered("input", i, leaves)
        key = Key(Kind.INPUT, place=i)
        items.append(Item(key, name, gradient, takers, _source(recorder, takers)))
    return Run(items, recorder.calls)


def _of_layers(
    recorder: Recorder, roots: Sequence[Tensor], of_parameter: dict[str, Tensor | None]
) -> Iterator[Item]:
    """δ and the parameters' gradients, layer by layer from the last call to the first."""
    recorded = any(root.requires_grad for root in roots)
    for call in (call for call in reversed(recorder.calls) if call.is_layer):
        label = recorder.labels[call.module]
        again = f" (call {call.number})" if call.number > 1 else ""
        outputs = call.outputs
        for i, value in reversed(list(enumerate(outputs))):
            if not call.hidden and not any(recorder.made(root, call, i) for root in roots):
                name = f"{label}{numbered('', i, outputs)}{again} δ"
                key = Key(Kind.DELTA, call.module, call.number, i)
                takers = tuple(call.taken_by[i])
                source = _source(recorder, takers)
                yield Item(key, name, call.incoming[i], takers, source, value.detach())
        for name in [n for n in of_parameter if n.rpartition(".")[0] == call.module]:
            key = Key(Kind.PARAMETER, name)
            gradient, unrecorded = of_parameter.pop(name), call.hidden or not recorded
            takers = (call.module,)
            yield Item(key, name, gradient, takers, label, unrecorded=unrecorded)
    for name, gradient in of_parameter.items():
        yield Item(Key(Kind.PARAMETER, name), name, gradient, unrecorded=not recorded)


def _source(recorder: Recorder, takers: Sequence[str]) -> str:
    return ", ".join(label for name in takers if (label := recorder.labels[name]))


def _gradients(
    recorder: Recorder,
    roots: Sequence[Tensor],
    leaves: Sequence[Tensor],
    cotangents: Sequence[Tensor],
) -> list[Tensor | None]:
    """What ``.backward()`` leaves in ``.grad``.

    That is what a user gets, also from a Function whose backward runs layers itself and calls
    ``.backward()`` inside, as checkpointing does: there ``torch.autograd.grad`` sees nothing.
    """
    connected = [(r, c) for r, c in zip(roots, cotangents, strict=True) if r.requires_grad]
    if not connected or not leaves:
        return [None] * len(leaves)
    for leaf in leaves:
        leaf.grad = None
    with recorder.backward():
        torch.autograd.backward(
            [root for root, _ in connected],
            # A copy each: a backward that writes into its incoming gradient spoils nobody else's.
            [copy_with_layout(cotangent, root.dtype) for root, cotangent in connected],
        )
    gradients = [leaf.grad for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    return gradients


def _outputs(word: str, name: str, tensors: Sequence[Tensor]) -> Iterator[Item]:
    for i, tensor in enumerate(tensors):
        key = Key(Kind.OUTPUT, name, place=i)
        # A copy: a backward that saved its output may write over it.
        yield Item(key, numbered(word, i, tensors), tensor.detach().clone())


def numbered(word: str, i: int, among: Sequence[Any]) -> str:
    """The word, with its number where there are several."""
    return f"{word} {i}" if len(among) > 1 else word
