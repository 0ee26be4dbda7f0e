"""A function on the GPU, recorded once as a CUDA graph and then replayed.

A step of a small network is some twenty short kernels, each launched by itself from Python. A graph
launches them all at once.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Step = Callable[..., tuple[Tensor, ...]]


def captured(function: Step, device: torch.device) -> Step:
    """``function`` as a graph where there are graphs, on an NVIDIA GPU; else as it is."""
    return Captured(function, device) if device.type == "cuda" else function


class Captured:
    """What ``function`` does, launched as one.

    Args:
        function: of CUDA tensors, without autograd. It may change tensors that it owns in place.
            They have to stay where they are in memory, and it must not look at a value: neither
            print one nor branch on it.
        device: where its tensors are.

    From the second call on the results are copies, which later calls leave alone.
    """

    def __init__(self, function: Step, device: torch.device) -> None:
        self._function, self._device = function, device
        self._graph: torch.cuda.CUDAGraph | None = None
        self._called = False

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """``function(*inputs)``.

        Raises:
            ValueError: for more or fewer inputs than those of the second call, or another shape or
                type.
        """
        if not self._called:
            # As it is, once: kernels and workspaces are loaded, which cannot be recorded.
            self._called = True
            return self._function(*inputs)
        graph = self._graph or self._record(inputs)
        if _kinds(inputs) != _kinds(self._inputs):
            raise ValueError(f"recorded for {_described(self._inputs)}, got {_described(inputs)}")
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given)
        graph.replay()
        return tuple(result.clone() for result in self._results)

    def _record(self, inputs: tuple[Tensor, ...]) -> torch.cuda.CUDAGraph:
        """Note the kernels and the memory they work on; nothing is computed."""
        self._inputs = [given.clone() for given in inputs]
        graph = torch.cuda.CUDAGraph()
        # A stream of that device: PyTorch's own would be one of the first GPU.
        with torch.cuda.graph(graph, stream=torch.cuda.Stream(self._device)):
            self._results = self._function(*self._inputs)
        self._graph = graph
        return graph


def _kinds(tensors: Sequence[Tensor]) -> list[tuple[torch.Size, torch.dtype]]:
    return [(t.shape, t.dtype) for t in tensors]


def _described(tensors: Sequence[Tensor]) -> str:
    return ", ".join(f"{t.dtype} of {tuple(t.shape)}" for t in tensors)
