"""Bugs drawn at random: a slip in the source of a layer of the catalogue, loaded as a module."""

import ast
import copy
import importlib.util
import random
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from compare.catalogue import entries
from compare.catalogue.entry import Entry
from compare.catalogue.slips import Slip, slips
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
    decks = [_of(entry) for entry in entries()]
    for deck in decks:
        chance.shuffle(deck)
    found: list[Drawn] = []
    while len(found) < count and any(decks):
        for deck in decks:
            while deck and len(found) < count:
                drawn = deck.pop()
                if _compiles(drawn.mutated):
                    found.append(drawn)
                    break
    return found


def _of(entry: Entry) -> list[Drawn]:
    source = (_ROOT / entry.file).read_text()
    found: dict[Slip, Drawn] = {}
    for options in entry.modules:
        if not options.get("inplace"):
            for slip in slips(source, _run_in_backward(entry, options)):
                found.setdefault(slip, Drawn(entry, dict(options), slip))
    return list(found.values())


def _compiles(text: bytes) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _run_in_backward(entry: Entry, options: Any) -> list[str]:
    """The functions of the layer's file that its backward calls, by their qualified names."""
    layer, _ = entry.twins(options)
    inputs = [x.clone().requires_grad_(x.is_floating_point()) for x in entry.inputs()]
    output = next(tensors_in(layer(*inputs)))
    called = called_functions(lambda: output.sum().backward())
    return [c.co_qualname for c in called if c.co_filename.endswith(entry.file)]


def load(drawn: Drawn, text: bytes, folder: Path, name: str) -> Any:
    """The layer, made anew with this text for the file of its backward."""
    entry = drawn.entry
    path = folder / f"{name}.py"
    path.write_bytes(text)
    module = _executed(path, name)
    layer = entry.twins(drawn.options)[0]
    home = type(layer).__module__ if entry.module else entry.derived_by.__module__
    if home != entry.derived_by.__module__:  # its file imports the Function from the other one
        before = sys.modules[entry.derived_by.__module__]
        sys.modules[entry.derived_by.__module__] = module
        try:
            module = _executed(Path(sys.modules[home].__file__ or ""), f"{name}_layer")
        finally:
            sys.modules[entry.derived_by.__module__] = before
    if entry.module is None:
        return partial(getattr(module, entry.function_name), **drawn.options)
    return getattr(module, entry.module)(**drawn.options)


def _executed(path: Path, name: str) -> ModuleType:
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


def question(drawn: Drawn, layer: Any, seed: int = 0) -> Question:
    """The layer against its twin; between two Linears where it takes and gives one matrix."""
    torch.manual_seed(seed)
    reference = _twin(drawn, layer)
    inputs = _cut(reference, drawn.entry.inputs(), _BATCH)
    if place(drawn) == "":
        return Question(layer, reference, inputs)
    wide = inputs[0].shape[1]
    first, last = nn.Linear(11, wide), nn.Linear(reference(inputs[0]).shape[1], 5)
    rows = [
        nn.Sequential(copy.deepcopy(first), each, copy.deepcopy(last))
        for each in (layer, reference)
    ]
    return Question(rows[0], rows[1], [torch.randn(len(inputs[0]), 11)])


def place(drawn: Drawn) -> str:
    """The layer's name in the question."""
    inputs = drawn.entry.inputs()
    if drawn.entry.module is None or len(inputs) > 1:
        return ""
    reference = drawn.entry.twins(drawn.options)[1]
    given = inputs[0]
    found = reference(given)
    matrices = isinstance(found, Tensor) and found.dim() == given.dim() == 2
    return "1" if matrices and given.is_floating_point() and len(found) == len(given) else ""


def _twin(drawn: Drawn, layer: Any) -> Any:
    """The reference, and the layer with its numbers in it."""
    reference = drawn.entry.twins(drawn.options)[1]
    if isinstance(reference, nn.Module):
        layer.load_state_dict(reference.state_dict())
    return reference


def _cut(reference: Any, inputs: tuple[Tensor, ...], samples: int) -> list[Tensor]:
    """At most that many samples, where the reference takes fewer than there are."""
    fewer = [x[:samples] for x in inputs]
    try:
        reference(*fewer)
    except Exception:
        return list(inputs)
    return fewer


def is_right(drawn: Drawn, layer: Any, seeds: tuple[int, ...]) -> bool:
    """Whether the layer's gradients are the twin's in float64, on fresh numbers and sizes."""
    return all(_is_right(drawn, layer, seed) for seed in seeds)


def _is_right(drawn: Drawn, layer: Any, seed: int) -> bool:
    torch.manual_seed(seed)
    reference = _twin(drawn, layer)
    inputs = _cut(reference, drawn.entry.inputs(), 3 + 4 * (seed % 5))
    if len(inputs) == 1 and seed % 2 and inputs[0].is_floating_point():
        inputs = [20 * inputs[0]]  # far out, where some functions are cut off
    models = [
        x.double() if isinstance(x, nn.Module) else x
        for x in map(copy.deepcopy, (layer, reference))
    ]
    has_parameters = isinstance(layer, nn.Module) and any(True for _ in layer.parameters())
    of_inputs = not has_parameters or seed % 3 != 0  # the first layer's need none
    expected = _gradients(models[1], inputs, seed, of_inputs)
    try:
        found = _gradients(models[0], inputs, seed, of_inputs)
    except Exception:
        return False
    return all(map(_same, found, expected))


def _same(found: Tensor | None, expected: Tensor | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return found.shape == expected.shape and torch.allclose(
        found, expected, rtol=1e-8, atol=1e-11, equal_nan=True
    )


def _gradients(layer: Any, inputs: list[Tensor], seed: int, of_inputs: bool) -> list[Tensor | None]:
    made = [
        x.double().requires_grad_(of_inputs) if x.is_floating_point() else x
        for x in (i.clone() for i in inputs)
    ]
    leaves = [x for x in made if x.requires_grad]
    leaves += list(layer.parameters()) if isinstance(layer, nn.Module) else []
    torch.manual_seed(seed)
    outputs = [y for y in tensors_in(layer(*made)) if y.requires_grad]
    incoming = [torch.randn_like(y) for y in outputs]
    return list(torch.autograd.grad(outputs, leaves, incoming, allow_unused=True))
