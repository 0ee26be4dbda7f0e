"""A stretch of a model: from what one layer is given to a tensor further on, run by itself.

Where one side has a Linear with a ReLU fused into it and the other a Linear and a ReLU, no layer
has a counterpart, but the stretch of two layers has. It is run inside its model: the first layer is
given what it is to start from, and the run ends where the tensor at the end is there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from compare.trial.given import Given, map_tensors, tensors_in


@dataclass(frozen=True)
class Boundary:
    """A place in a run: what a call of a module is given, or what it returns."""

    module: str
    number: int
    returned: bool


class _Reached(Exception):  # noqa: N818
    """Not an error: the run has come to its end."""


class Stretch(nn.Module):
    """From the call at ``start`` to the boundary ``stop``; its parameters are those in between."""

    def __init__(
        self, model: nn.Module, root: Given, start: Boundary, stop: Boundary, within: Sequence[str]
    ) -> None:
        super().__init__()
        self.model, self.root, self.start, self.stop = model, root, start, stop
        self.within = set(within)
        self.train(model.training)

    def train(self, mode: bool = True) -> "Stretch":
        """The modes inside stay as they are."""
        self.training = mode
        return self

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """Those of the modules within, by their names in the whole model."""
        for name, parameter in self.model.named_parameters():
            if name.rpartition(".")[0] in self.within:
                yield name, parameter

    def named_buffers(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Tensor]]:
        """All of the model: whatever runs may change them."""
        yield from self.model.named_buffers()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The tensors at the end, for what the first layer is given."""
        numbers: dict[str, int] = {}
        reached: list[list[Tensor]] = []

        def before(name: str) -> Any:
            def hook(_: nn.Module, own: Any, own_kwargs: Any) -> Any:
                number = numbers[name] = numbers.get(name, 0) + 1
                if self.stop == Boundary(name, number, False):
                    reached.append(list(tensors_in((own, own_kwargs))))
                    raise _Reached
                return (args, kwargs) if self.start == Boundary(name, number, False) else None

            return hook

        def after(name: str) -> Any:
            def hook(_: nn.Module, own: Any, result: Any) -> None:
                if self.stop == Boundary(name, numbers[name], True):
                    reached.append(list(tensors_in(result)))
                    raise _Reached

            return hook

        handles = []
        for name in {self.start.module, self.stop.module}:
            module = self.model.get_submodule(name)
            handles.append(module.register_forward_pre_hook(before(name), with_kwargs=True))
            handles.append(module.register_forward_hook(after(name)))
        dtype = next(tensors_in((args, kwargs))).dtype
        root_args, root_kwargs = map_tensors(
            lambda x: x.detach().to(dtype if x.is_floating_point() else None),
            (self.root.args, self.root.kwargs),
        )
        try:
            self.model(*root_args, **root_kwargs)
        except _Reached:
            return reached[-1]
        finally:
            for handle in handles:
                handle.remove()
        raise RuntimeError(f"{self.stop.module or 'the model'} was not reached")
