"""The code of a module between its layers: a sum, a reshape, a function called directly.

To judge it alone, the layers inside are replaced by the reference's, whose forward and backward are
trusted. What is still wrong then is the module's own doing.
"""

import copy
from collections.abc import Iterable

from torch import nn

from compare.pairing import Pairing


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
    for name, twin in pairs:
        ours, theirs = manual.get_submodule(name), copy.deepcopy(reference.get_submodule(twin))
        for of_ours, of_theirs in pairing.tensors.items():
            if of_ours.startswith(f"{name}.") and of_theirs.startswith(f"{twin}."):
                _tie(theirs, of_theirs.removeprefix(f"{twin}."), manual, of_ours)
        ours.forward = theirs.forward
    return manual


def _tie(module: nn.Module, name: str, source: nn.Module, source_name: str) -> None:
    """Make a parameter or buffer of the one that of the other."""
    owner, _, last = name.rpartition(".")
    place = module.get_submodule(owner)
    value = dict([*source.named_parameters(), *source.named_buffers()])[source_name]
    setattr(place, last, value)
