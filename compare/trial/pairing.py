"""Which parameter, buffer and layer of one model is which of the other.

By name where both have the same names; by the names that the caller maps to each other; else by
order, where parameters and buffers have the same shapes in the same order on both sides.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from compare.trial.case import state
from compare.trial.errors import ComparisonError
from compare.trial.key import Key, Kind
from compare.trial.recorder import Model

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Pairing:
    """Names in the manual model and their counterparts in the reference."""

    tensors: Mapping[str, str] = field(default_factory=dict)  # of parameters and buffers
    modules: Mapping[str, str] = field(default_factory=dict)
    guessed: bool = False  # by the order and shapes of the tensors, as no name told

    def key(self, key: Key) -> Key:
        """The reference's for one of manual's; its own where there is none."""
        names = {Kind.PARAMETER: self.tensors, Kind.DELTA: self.modules}.get(key.kind, {})
        return key._replace(name=names.get(key.name, key.name))


def pair(manual: Model, reference: Model, mapping: Mapping[str, str] | None = None) -> Pairing:
    """Pair the two.

    Args:
        manual: The one in question.
        reference: The one that is trusted.
        mapping: Names of manual's submodules, parameters or buffers, each with its counterpart's in
            the reference. The name of a submodule stands for all that is in it.

    Raises:
        ComparisonError: A name that is not there; one has a parameter or buffer that the other
            lacks, or of another shape.
    """
    ours, theirs = state(manual), state(reference)
    modules = _mapped_modules(manual, reference, mapping or {})
    tensors = _by_name(ours, theirs, mapping or {})
    guessed = tensors is None
    if tensors is None:
        tensors = _by_order(ours, theirs)
        for name, twin in tensors.items():
            modules.setdefault(_owner(name), _owner(twin))
    for name, twin in tensors.items():
        if ours[name].shape != theirs[twin].shape:
            raise ComparisonError(
                f"the two do not pair: {name} is {tuple(ours[name].shape)} in manual and "
                f"{tuple(theirs[twin].shape)} in the reference"
            )
    modules.setdefault("", "")
    if all(name == twin for name, twin in tensors.items()):
        there = dict(reference.named_modules()) if isinstance(reference, nn.Module) else {}
        for name, _ in manual.named_modules() if isinstance(manual, nn.Module) else ():
            if name in there and name not in modules and name not in modules.values():
                modules[name] = name
    return Pairing(tensors, modules, guessed)


def with_state_of(reference: Model, manual: M, pairing: Pairing | None = None) -> M:
    """A copy of manual with the reference's parameters, buffers and ``requires_grad``.

    Raises:
        ComparisonError: see ``pair``.
    """
    pairing = pairing or pair(manual, reference)
    manual = copy.deepcopy(manual)
    ours, theirs = state(manual), state(reference)
    with torch.no_grad():
        for name, twin in pairing.tensors.items():
            ours[name].copy_(theirs[twin])
            if ours[name].is_floating_point():
                ours[name].requires_grad_(theirs[twin].requires_grad)
    return manual


def _mapped_modules(manual: Model, reference: Model, mapping: Mapping[str, str]) -> dict[str, str]:
    """Every submodule that the mapping names, with those inside it that have the same name."""
    modules = {}
    for side, model, names in (
        ("manual", manual, mapping.keys()),
        ("the reference", reference, mapping.values()),
    ):
        known = {*state(model), *(n for n, _ in _modules(model))}
        for name in names:
            if name not in known:
                raise ComparisonError(
                    f"the mapping names {name}, and {side} has no submodule, parameter or buffer "
                    f"of that name"
                )
    there = dict(_modules(reference))
    for name, _ in _modules(manual):
        twin = _translated(name, mapping)
        if twin is not None and twin in there:
            modules[name] = twin
    return modules


def _modules(model: Model) -> list[tuple[str, nn.Module]]:
    return list(model.named_modules()) if isinstance(model, nn.Module) else []


def _translated(name: str, mapping: Mapping[str, str]) -> str | None:
    """The name after the mapping of the longest prefix that is mapped; None where none is."""
    prefixes = [p for p in mapping if p == name or not p or name.startswith(f"{p}.")]
    if not prefixes:
        return None
    prefix = max(prefixes, key=len)
    rest = name.removeprefix(prefix).removeprefix(".")
    return ".".join(part for part in (mapping[prefix], rest) if part)


def _by_name(
    ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], mapping: Mapping[str, str]
) -> dict[str, str] | None:
    """Each of manual's names with the reference's; None where the two sets differ."""
    names = {name: _translated(name, mapping) or name for name in ours}
    return names if sorted(names.values()) == sorted(theirs) else None


def _by_order(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, str]:
    if [x.shape for x in ours.values()] == [x.shape for x in theirs.values()]:
        return dict(zip(ours, theirs, strict=True))
    for side, names in (
        ("manual", [name for name in theirs if name not in ours]),
        ("the reference", [name for name in ours if name not in theirs]),
    ):
        if names:
            raise ComparisonError(
                f"the two do not pair: {side} lacks {', '.join(sorted(names))}; parameters and "
                f"buffers must have the same names on both sides, or be mapped to each other, or "
                f"have the same shapes in the same order"
            )
    raise ComparisonError(
        "the two do not pair: map their parameters or submodules to each other by name"
    )


def _owner(name: str) -> str:
    return name.rpartition(".")[0]
