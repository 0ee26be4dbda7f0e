"""The sizes of a layer's inputs and parameters, told apart as far as the reference allows it.

With equal sizes a change may take one for another: ``/ q.shape[1]`` for ``/ √d``. Which dimensions
belong together nobody says, so it is tried: some of those of one size are changed, and kept where
the reference takes it and manual computes the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import torch
from torch import Generator, Tensor, nn

from compare.repair.probes import Arrangement, accepted, moved
from compare.trial.given import map_tensors

_TRIES = 160  # two forwards each
_OF_ONE_SIZE = 6  # dimensions of one size: 62 ways of telling them apart
_LONGEST = 12  # what is larger is made smaller


def other_sizes(at: Arrangement, seed: int) -> Arrangement | None:
    """As many different sizes as the reference takes; None where it takes no other."""
    return _Sizes(at, seed).apart()


class _Sizes:
    """Dimensions of inputs and parameters, told apart one group after the other."""

    def __init__(self, at: Arrangement, seed: int) -> None:
        self.at, self.seed, self.tries = at, seed, 0
        self.names: list[Any] = []  # of parameters, and the places of arguments
        self.shapes: list[list[int]] = []
        for i, x in enumerate(_arguments(at)):
            self.names.append(i)
            self.shapes.append(list(x.shape))
        if isinstance(at.manual, nn.Module):
            for name, x in [*at.manual.named_parameters(), *at.manual.named_buffers()]:
                self.names.append(name)
                self.shapes.append(list(x.shape))

    def apart(self) -> Arrangement | None:
        found = None
        dims = [(t, d) for t, shape in enumerate(self.shapes) for d in range(len(shape))]
        for size in dict.fromkeys(self.shapes[t][d] for t, d in dims):
            left = [(t, d) for t, d in dims if self.shapes[t][d] == size]
            if size in (0, 1) or len(left) > _OF_ONE_SIZE:
                continue
            count = 1
            while left and count <= len(left):
                for chosen in combinations(left, count):
                    made = self._changed(size, chosen)
                    if made is not None:
                        found, left = made, [x for x in left if x not in chosen]
                        break
                else:
                    count += 1
        return found

    def _changed(self, size: int, chosen: Sequence[tuple[int, int]]) -> Arrangement | None:
        known = {n for shape in self.shapes for n in shape}
        near = (size + 1, size - 1, size + 3, size + 2, 2 * size)
        far = (11, 13, 10, 7, 9, 17)
        fresh = [n for n in (far if size > _LONGEST else near) if n not in known and n > 1]
        for new in [n for n in fresh if n % 2 == size % 2][:1] + fresh[:1]:
            before = [list(shape) for shape in self.shapes]
            for t, d in chosen:
                self.shapes[t][d] = new
            for attributes in (True, False):
                self.tries += 1
                if self.tries > _TRIES:
                    break
                made = self._made(size if attributes else None, new)
                if accepted(made) is not None:
                    return made
            self.shapes = before
        return None

    def _made(self, old: int | None, new: int) -> Arrangement:
        generator = torch.Generator().manual_seed(self.seed)
        made = self.at.copy("other sizes")
        made.apart = True
        shapes = dict(zip(self.names, self.shapes, strict=True))
        places = iter(range(len(self.names)))

        def resized(x: Tensor) -> Tensor:
            return _resized(x, shapes[next(places)], generator).requires_grad_(x.requires_grad)

        args, kwargs = map_tensors(resized, (made.given.args, made.given.kwargs))
        made.given = replace(made.given, args=args, kwargs=kwargs)
        for name, shape in shapes.items():
            if isinstance(name, str):
                _resize(made, name, shape, generator)
        if old is not None:
            for model in (made.manual, made.reference):
                _rename_sizes(model, old, new)
        moved(made, generator)
        return made


def _arguments(at: Arrangement) -> list[Tensor]:
    found: list[Tensor] = []

    def look(x: Tensor) -> Tensor:
        found.append(x)
        return x

    map_tensors(look, (at.given.args, at.given.kwargs))
    return found


def _resized(x: Tensor, shape: Sequence[int], generator: Generator) -> Tensor:
    x = x.detach()
    for dim, n in enumerate(shape):
        if x.shape[dim] != n:
            x = x.index_select(dim, torch.arange(n) % x.shape[dim])
    if x.is_floating_point():
        x = x * (1 - 0.1 * torch.rand(x.shape, generator=generator, dtype=torch.float64))
    return x.clone()


def _resize(at: Arrangement, name: str, shape: Sequence[int], generator: Generator) -> None:
    twin = at.pairing.tensors.get(name, name)
    own = {**dict(at.manual.named_parameters()), **dict(at.manual.named_buffers())}[name]
    made = _resized(own, shape, generator)
    for model, whose in ((at.manual, name), (at.reference, twin)):
        path, _, last = whose.rpartition(".")
        owner = model.get_submodule(path)
        if last in owner._parameters:
            made_here: Tensor = nn.Parameter(made.clone(), requires_grad=own.requires_grad)
        else:
            made_here = made.clone()
        setattr(owner, last, made_here)


def _rename_sizes(model: Any, old: int, new: int) -> None:
    """In the attributes of a module, such as ``num_features`` and ``normalized_shape``."""
    for module in model.modules() if isinstance(model, nn.Module) else ():
        for name, value in module.__dict__.items():
            if type(value) is int and value == old:
                module.__dict__[name] = new
            elif isinstance(value, tuple) and old in value:
                module.__dict__[name] = tuple(new if v == old else v for v in value)
