"""Bugs drawn at random: a slip in the source of a layer of the catalogue, loaded as a module."""

import ast
import copy
import importlib.util
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from compare.catalogue import entries
from compare.catalogue.entry import Entry
from compare.mutants.slips import Slip, slips
from compare.repair.recording import called_functions
from compare.trial.given import tensors_in
from compare.trial.question import Question

_ROOT = Path(__file__).parents[2]
_BATCH = 9


@dataclass(frozen=True)
class Drawn:
    """A slip in a layer, with the options that it is made with."""

    entry: Entry
    options: dict[str, Any]
    slip: Slip

    @property
    def name(self) -> str:
        """The layer, and which slip on which line."""
        return f"{self.entry.name}: {self.slip.kind}, line {self.slip.line}"

    @property
    def source(self) -> bytes:
        """Of the file as it is."""
        return (_ROOT / self.entry.file).read_bytes()

    @property
    def mutated(self) -> bytes:
        """With the slip in it."""
        s = self.slip
        return self.source[: s.start] + s.text.encode() + self.source[s.end :]


def draw(count: int, seed: int) -> list[Drawn]:
    """That many slips, as many from each layer as it has, in an order that the seed decides."""
    chance = random.Random(seed)
    decks = [deck for entry in entries() if (deck := list(_of(entry)))]
    for deck in decks:
        chance.shuffle(deck)
    found: list[Drawn] = []
    while len(found) < count and any(decks):
        for deck in decks:
            if deck and len(found) < count:
                found.append(deck.pop())
    return found


def _of(entry: Entry) -> Iterator[Drawn]:
    source = (_ROOT / entry.file).read_text()
    seen = set()
    for options in entry.modules:
        if options.get("inplace"):
            continue
        ran = _run_in_backward(entry, options)
        for slip in slips(source, ran):
            if slip not in seen and _compiles(source, slip):
                seen.add(slip)
                yield Drawn(entry, dict(options), slip)


def _compiles(source: str, slip: Slip) -> bool:
    text = source.encode()
    try:
        ast.parse(text[: slip.start] + slip.text.encode() + text[slip.end :])
    except SyntaxError:
        return False
    return True


def _run_in_backward(entry: Entry, options: Any) -> list[str]:
    """The functions of the layer's file that its backward calls, by their qualified names."""
    module, _ = entry.twins(options)
    inputs = [x.clone().requires_grad_(x.is_floating_point()) for x in entry.inputs()]
    outputs = list(tensors_in(module(*inputs)))
    called = called_functions(lambda: torch.autograd.backward(outputs[0].sum()))
    return [c.co_qualname for c in called if c.co_filename.endswith(entry.file)]


def load(text: bytes, folder: Path, name: str) -> ModuleType:
    """The module of this text, in a file of its own."""
    path = folder / f"{name}.py"
    path.write_bytes(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


def question(drawn: Drawn, module: ModuleType, seed: int = 0) -> Question:
    """The layer of this module against its twin: between two Linears where it takes one tensor."""
    torch.manual_seed(seed)
    entry = drawn.entry
    reference = entry.twins(drawn.options)[1]
    manual = getattr(module, entry.module or "")(**drawn.options)
    manual.load_state_dict(reference.state_dict())
    inputs = entry.inputs()
    if len(inputs) > 1:
        return Question(manual, reference, [x[:_BATCH] for x in inputs])
    wide = inputs[0].shape[1]
    first, last = nn.Linear(11, wide), nn.Linear(_width(reference, inputs[0]), 5)
    rows = [
        nn.Sequential(copy.deepcopy(first), layer, copy.deepcopy(last))
        for layer in (manual, reference)
    ]
    return Question(rows[0], rows[1], [torch.randn(_BATCH, 11)])


def place(drawn: Drawn) -> str:
    """The layer's name in the question."""
    return "" if len(drawn.entry.inputs()) > 1 else "1"


def _width(module: nn.Module, x: Tensor) -> int:
    with torch.no_grad():
        return module(x).shape[1]


def is_right(drawn: Drawn, module: ModuleType, seeds: tuple[int, ...]) -> bool:
    """Whether the layer's gradients are the twin's in float64, on fresh numbers and sizes."""
    for seed in seeds:
        torch.manual_seed(seed)
        entry = drawn.entry
        reference = entry.twins(drawn.options)[1].double()
        manual = getattr(module, entry.module or "")(**drawn.options).double()
        manual.load_state_dict(reference.state_dict())
        parameters = list(manual.parameters())
        inputs = [x[: 3 + 4 * (seed % 5)] for x in entry.inputs()]
        if len(inputs) == 1 and seed % 2:
            inputs = [20 * x for x in inputs]  # far out, where some functions are cut off
        of_inputs = not parameters or seed % 3 != 0  # the first layer's need none
        try:
            gradients = [_gradients(m, inputs, seed, of_inputs) for m in (manual, reference)]
        except Exception:
            return False
        for a, b in zip(*gradients, strict=True):
            if a is None or b is None:
                if a is not b:
                    return False
            elif a.shape != b.shape or not torch.allclose(a, b, rtol=1e-8, atol=1e-11):
                return False
    return True


def _gradients(
    module: nn.Module, inputs: list[Tensor], seed: int, of_inputs: bool
) -> list[Tensor | None]:
    made = [
        x.double().requires_grad_(of_inputs) if x.is_floating_point() else x
        for x in (i.clone() for i in inputs)
    ]
    leaves = [x for x in made if x.requires_grad] + list(module.parameters())
    output = module(*made)
    torch.manual_seed(seed)
    found = torch.autograd.grad(output, leaves, torch.randn_like(output), allow_unused=True)
    return list(found)
