"""The code of a module between its layers: a sum, a reshape, a function called directly.

To judge it alone, the layers inside are replaced by the reference's, whose forward and backward are
trusted. What is still wrong then is the module's own doing.
"""

import copy
from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.func import functional_call

from compare.trial.given import Given, tensors_in
from compare.trial.pairing import Pairing

#: Of a parameter or buffer: the module that has it, and its name there.
Place = tuple[nn.Module, str]


def with_trusted_layers(
    manual: nn.Module,
    reference: nn.Module,
    pairs: Iterable[tuple[str, str]],
    pairing: Pairing,
) -> nn.Module:
    """A copy of manual in which the layers named compute as the reference's do.

    Args:
        manual: Its parameters stay its own, so that the gradients arrive where they did.
        reference: Where the layers are taken from.
        pairs: Names of layers in manual and in the reference.
        pairing: Of the parameters, by the same names.
    """
    manual = copy.deepcopy(manual)
    ours_of = {theirs: ours for ours, theirs in pairing.tensors.items()}
    first_names = _first_names(reference)
    tensors = {**_tensors(manual)}
    for name, twin in pairs:
        layer, trusted = manual.get_submodule(name), copy.deepcopy(reference.get_submodule(twin))
        places: dict[str, Place] = {}
        for inside in _tensors(trusted):
            ours = ours_of.get(first_names[f"{twin}.{inside}" if twin else inside])
            if ours in tensors:
                owner, last = _place(trusted, inside)
                setattr(owner, last, tensors[ours])
                places[inside] = _place(manual, ours)
        layer.forward = _Forward(layer, trusted, places)
        for hooks in ("_backward_hooks", "_backward_pre_hooks"):
            getattr(layer, hooks).clear()  # they are part of what the layer does to a gradient
    return manual


class _Forward:
    """The forward of a trusted layer, in the mode (train or eval) that the layer itself is in.

    And with the tensors that the layer has at the moment: ``functional_call`` puts others there.
    """

    def __init__(self, layer: nn.Module, trusted: nn.Module, places: dict[str, Place]) -> None:
        self.layer, self.trusted, self.places = layer, trusted, places

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        trusted = self.trusted.train(self.layer.training)
        now = {inside: getattr(*place) for inside, place in self.places.items()}
        others = {
            inside: x for inside, x in now.items() if getattr(*_place(trusted, inside)) is not x
        }
        if others:
            return functional_call(trusted, others, args, kwargs)
        return trusted.forward(*args, **kwargs)


def _place(module: nn.Module, name: str) -> Place:
    owner, _, last = name.rpartition(".")
    return module.get_submodule(owner), last


def called_like(module: nn.Module, given: Given) -> nn.Module:
    """A copy that takes the reference's arguments where manual's layer is called with other ones.

    Its tensors, in order, take the places of those that manual gives it.
    """

    class Called(type(module)):  # type: ignore[misc]
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            own = given.with_tensors(list(tensors_in((args, kwargs))))
            return super().forward(*own.args, **own.kwargs)

    module = copy.deepcopy(module)
    module.__class__ = Called
    return module


def _tensors(module: nn.Module) -> dict[str, Any]:
    """Parameters and buffers by all their names: a tied one has several."""
    return dict(
        [
            *module.named_parameters(remove_duplicate=False),
            *module.named_buffers(remove_duplicate=False),
        ]
    )


def _first_names(module: nn.Module) -> dict[str, str]:
    """Of each name the one under which a tied tensor is known."""
    known: dict[int, str] = {}
    return {name: known.setdefault(id(x), name) for name, x in _tensors(module).items()}
