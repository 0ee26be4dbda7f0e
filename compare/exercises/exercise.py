"""What an exercise is: a line of a layer's file, what it is given, what people write instead."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

Scope = Mapping[str, Any]  # everything that has a name in one trial: tensors and options

#: Sizes by the letter they have in the equations, the smallest first.
_SIZES: Sequence[Mapping[str, int]] = (
    {"m": 1, "i": 1, "o": 1, "h": 1, "c": 2, "s": 2, "v": 2},
    {"m": 1, "i": 2, "o": 1, "h": 1, "c": 2, "s": 2, "v": 2},
    {"m": 2, "i": 1, "o": 1, "h": 1, "c": 2, "s": 2, "v": 3},
    {"m": 2, "i": 2, "o": 2, "h": 1, "c": 2, "s": 2, "v": 3},
    {"m": 3, "i": 2, "o": 4, "h": 2, "c": 3, "s": 4, "v": 4},
)
_REAL: Sequence[Mapping[str, int]] = (
    {"m": 5, "i": 3, "o": 4, "h": 2, "c": 6, "s": 7, "v": 6},
    {"m": 4, "i": 4, "o": 4, "h": 4, "c": 4, "s": 4, "v": 4},
    {"m": 7, "i": 2, "o": 3, "h": 5, "c": 3, "s": 5, "v": 5},
)


@dataclass(frozen=True)
class Draw:
    """Draws the numbers of a trial, all float64: whole ones where they are to be read."""

    sizes: Mapping[str, int]
    whole: bool
    generator: torch.Generator

    def __call__(self, letters: str = "", most: int = 3) -> Tensor:
        """Numbers from −most to most, or normal ones, of the shape that the letters stand for."""
        shape = [self.sizes[c] for c in letters]
        if self.whole:
            return torch.randint(-most, most + 1, shape, generator=self.generator).double()
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def not_zero(self, letters: str) -> Tensor:
        """None of them 0."""
        x = self(letters, 2)
        return x + torch.where(x < 0, -1, 1) if self.whole else x

    def of(self, letters: str, *values: float) -> Tensor:
        """Some of these values."""
        places = torch.randint(
            len(values), [self.sizes[c] for c in letters], generator=self.generator
        )
        return torch.tensor(values, dtype=torch.float64)[places]

    def share(self, letters: str) -> Tensor:
        """Numbers between 0 and 1: quarters, or any."""
        if self.whole:
            return self.of(letters, 0.25, 0.5, 0.75)
        return torch.sigmoid(self(letters))

    def different(self, letters: str) -> Tensor:
        """Whole numbers of which no two are equal."""
        shape = torch.Size([self.sizes[c] for c in letters])
        order = torch.randperm(shape.numel(), generator=self.generator)
        return order.double().reshape(shape) - shape.numel() // 2

    def indices(self, letters: str, below: str) -> Tensor:
        """Whole numbers from 0 on."""
        shape = [self.sizes[c] for c in letters]
        return torch.randint(self.sizes[below], shape, generator=self.generator)

    def one_hot(self, letters: str) -> Tensor:
        """Rows with a single 1."""
        rows, width = letters[:-1], letters[-1]
        labels = self.indices(rows, width)
        return torch.nn.functional.one_hot(labels, self.sizes[width]).double()


def draws(seed: int) -> list[Draw]:
    """What the trials of an exercise are drawn by, the smallest first."""
    generator = torch.Generator().manual_seed(seed)
    found = [Draw(sizes, True, generator) for sizes in _SIZES for _ in range(2)]
    return found + [Draw(sizes, False, generator) for sizes in _REAL]


class Source(NamedTuple):
    """The line of the project that is to be written, and how it reads in the learner's file."""

    of: Any
    """The function, method or ``Function`` that it is in."""
    blank: str
    """How the statement begins: ``"grad_weight ="``, ``"return"``."""
    alone: tuple[str, ...] = ()
    """The arguments of a function that has this statement alone; else all around it is shown."""
    names: Mapping[str, str] = {}
    """Expressions of the source, and what stands for them."""
    inline: Mapping[str, Any] = {}
    """Functions whose formula stands in place of a call, by the name they are called by."""
    arguments: tuple[str, ...] = ()
    """Of the function where it is not those of the source."""
    part: int | slice | None = None
    """Which of several results is meant, or are."""
    returns: str = ""
    """What the function returns, where the source returns nothing."""
    own: Mapping[str, str] = {}
    """Functions of the learner's, and the exercises that they are from."""
    given: Callable[..., Any] | None = None
    """A function that is shown above."""

    @property
    def renamed(self) -> dict[str, str]:
        """Names of the source that are other names in the learner's file."""
        return {k: v for k, v in self.names.items() if k.isidentifier() and v.isidentifier()}


class Exercise(NamedTuple):
    """One idea, in one file."""

    name: str
    """Of the file, and for the command line."""
    function: str
    """What the learner's function or class is called."""
    title: str
    derive: str
    """The left side of the equation."""
    given: str
    """What there is, with shapes: lines for the learner's file."""
    source: Source
    draw: Callable[[Draw], Scope]
    example: Scope
    """Whole numbers as nested lists."""
    worked: str
    """How the example comes out by hand; it ends with the result."""
    equation: str
    """The first hint."""
    term: str
    """The second one, where the diagnosis has none."""
    forward: Callable[..., Any] | None = None
    """What autograd differentiates to know the truth; its arguments are names in the scope."""
    of: tuple[str, ...] = ()
    """The arguments of ``forward`` that gradients are taken to."""
    incoming: str = ""
    """The name of the gradient that arrives; 1 without one."""
    also: Callable[[Scope], Scope] = lambda _: {}
    """What else the answer is given, such as the activation a of the z that was drawn."""
    parameters: tuple[str, ...] = ()
    """Those arguments of ``forward`` that are weights."""
    wrong: Mapping[str, str | set[str]] = {}
    """What people write, and what each may be called."""
    right: Sequence[str] = ()
    """The same written otherwise."""
    entry: str = ""
    """Its layer's name in the catalogue, whose wrong and right backwards are tried as well …"""
    formula: tuple[str, ...] = ()
    """… with these names for the formulas' arguments, "" for one that the answer has not."""
    gradient: str = "input"
    """… of this gradient."""
    relative: bool = False
    """Whether each number must be right by itself, however small it is."""
    again: bool = False
    """Whether the gradient is differentiated again."""

    @property
    def is_class(self) -> bool:
        """Whether the answer is an ``autograd.Function``."""
        return isinstance(self.source.of, type)

    @property
    def arguments(self) -> list[str]:
        """Of ``forward``, by the names that they have in the scope."""
        if self.forward is None:
            return []
        names = inspect.signature(self.forward).parameters
        return [self.source.renamed.get(name, name) for name in names]


def as_tensors(numbers: Scope) -> dict[str, Any]:
    """Nested lists as tensors in float64; what is no such list as it is."""

    def tensor(value: Any) -> Any:
        plain = isinstance(value, list) and not isinstance(value[0], Tensor)
        return torch.tensor(value, dtype=torch.float64) if plain else value

    return {name: tensor(value) for name, value in numbers.items()}


#: What a mistake may be called: each of the names in a set is true of it.
SIGN = {"sign"}
FACTOR = {"constant factor", "accumulated twice", "another number"}
MEAN = {"averaged instead of summed", "extra factor", "sum instead of mean"}
SUM = {"missing mean over the batch", "missing factor", "sum instead of mean"}
MISSING = {"missing factor", "missing activation derivative"}
TERM = {"missing term", "missing cross term"}
PLACE = {"derivative taken at a instead of z", "another tensor"}
TURNED = {"transposed", "wrong weight"}
UNSUMMED = {"not summed over the batch", "missing step"}
AXIS = {"wrong axis", "another number"}
INCOMING = {"incoming gradient ignored"}
TARGET = {"target left out", "missing term"}
MUCH = {"extra factor"}
ZERO = {"detached"}
RAISED = {"raised an error"}
PART = {"only part of the batch"}
OPERATION = {"another operation"}
