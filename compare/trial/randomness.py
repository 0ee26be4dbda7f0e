"""The state of random numbers, on the CPU and on the GPUs that are in use: kept, and given back."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RandomState:
    """What the generators of the CPU and of some GPUs would draw next."""

    cpu: Tensor
    gpus: dict[int, Tensor]

    def restore(self) -> None:
        """Make it the state of the moment."""
        torch.set_rng_state(self.cpu)
        for index, state in self.gpus.items():
            torch.cuda.set_rng_state(state, index)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, RandomState)
            and torch.equal(self.cpu, other.cpu)
            and self.gpus.keys() == other.gpus.keys()
            and all(torch.equal(state, other.gpus[i]) for i, state in self.gpus.items())
        )


def random_state(tensors: Iterable[Tensor] = ()) -> RandomState:
    """That of the moment, on the CPU and the tensors' GPUs."""
    gpus = sorted({t.device.index for t in tensors if t.is_cuda})
    return RandomState(torch.get_rng_state(), {i: torch.cuda.get_rng_state(i) for i in gpus})


@contextmanager
def undisturbed(tensors: Iterable[Tensor] = ()) -> Iterator[None]:
    """What is random inside uses up no random numbers outside."""
    before = random_state(tensors)
    try:
        yield
    finally:
        before.restore()
