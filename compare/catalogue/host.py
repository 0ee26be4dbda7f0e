"""The small networks that bugs are planted in."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compare.catalogue.rewritten import Formula, function, rewritten
from compare.trial.question import Question

#: Samples; 11 or 7 features, 6 or 5 outputs: no two sizes are the same.
N, CLASSES = 9, 5


@dataclass(frozen=True)
class Host:
    """Layers in a row, what they are given, and which of them gets another backward."""

    row: Callable[[], Sequence[nn.Module]]
    place: int
    inputs: Tensor | tuple[Tensor, ...]  # of the first
    seed: int = 1  # of the weights

    @property
    def layer(self) -> str:
        """That layer's name."""
        return str(self.place)

    def plant(self, formula: Formula, gradient: str = "") -> Question:
        """The row, and the same with this formula in it; see ``rewritten``."""
        question = self.unchanged()
        base = question.reference[self.place]
        question.manual[self.place] = rewritten(base, formula, gradient)
        return question

    def unchanged(self) -> Question:
        """The row against itself."""
        torch.manual_seed(self.seed)
        reference = copy.deepcopy(_Row(*self.row()))
        inputs = (self.inputs,) if isinstance(self.inputs, Tensor) else self.inputs
        return Question(copy.deepcopy(reference), reference, inputs)


class _Row(nn.Sequential):
    def forward(self, *inputs: Tensor) -> Tensor:
        """The first layer may take several."""
        first, *others = self
        output = first(*inputs)
        for module in others:
            output = module(output)
        return output


@dataclass(frozen=True)
class LossHost:
    """A network of two Linears under a loss that gets another backward."""

    loss: Callable[[Tensor, Tensor], Tensor]
    targets: Tensor
    last: tuple[nn.Module, ...] = ()  # between the network and the loss
    seed: int = 2  # of the weights
    layer: str = "loss"

    def plant(self, formula: Formula, gradient: str = "input") -> Question:
        """The network under the loss, and under one with ``formula(g, z, y)`` for ∂L/∂z."""
        torch.manual_seed(self.seed)
        model = nn.Sequential(nn.Linear(11, 7), nn.Tanh(), nn.Linear(7, CLASSES), *self.last)
        manual = function(self.loss, lambda g, z, y: (formula(g, z, y), None))
        return Question(model, model, [batch(N, 11)], (manual, self.loss), self.targets)


def between(module: nn.Module, scale: float = 1) -> Host:
    """A Linear, the module for six features, a Linear; ``scale`` times what they are given."""
    return Host(lambda: [nn.Linear(11, 6), module, nn.Linear(6, CLASSES)], 1, scale * batch(N, 11))


def batch(*shape: int, seed: int = 5) -> Tensor:
    """Standard normal numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
