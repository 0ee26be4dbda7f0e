"""A wrong backward that a public project shipped and then mended, written anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from compare.catalogue.host import Host, LossHost
from compare.catalogue.rewritten import Formula
from compare.catalogue.specimen import Specimen
from compare.diagnosis.mistake import Mistake


@dataclass(frozen=True)
class Exhibit:
    """The bug, where it was, and the backward as it was shipped and as it was mended.

    Neither is the project's code: each is its mathematics, in the layer that shows it.
    """

    project: str  # owner and name on GitHub
    thread: str  # "#1298", an issue or a pull request, or a commit
    bug: str  # in a few words
    host: Host | LossHost
    shipped: Formula  # of all gradients, see ``rewritten``; of a loss, of its input
    mended: Formula
    wrong: tuple[str, ...] = ("input",)  # those that are wrong in ``shipped``
    mistakes: frozenset[Mistake] = frozenset()  # each of these names is true of it

    @property
    def name(self) -> str:
        """The project, without its owner, and the thread."""
        return f"{self.project.split('/')[1]} {self.thread}"

    @property
    def source(self) -> str:
        """Where to read about it."""
        where = f"issues/{self.thread[1:]}" if self.thread[0] == "#" else f"commit/{self.thread}"
        return f"https://github.com/{self.project}/{where}"

    def specimens(self) -> tuple[Specimen, Specimen]:
        """As it was shipped, and as it was mended."""
        places = tuple((self.host.layer, gradient) for gradient in self.wrong)
        shipped = partial(self.host.plant, self.shipped, "")
        wrong = Specimen(self.name, shipped, places, self.mistakes)
        right = Specimen(f"{self.name}, fixed", partial(self.host.plant, self.mended, ""))
        return wrong, right


class Operation(nn.Module):
    """``function(*inputs, *parameters, *buffers)``, differentiated by autograd: the reference."""

    def __init__(
        self,
        function: Callable[..., Tensor],
        parameters: Sequence[Tensor] = (),
        buffers: Sequence[Tensor] = (),
    ) -> None:
        super().__init__()
        self.function = function
        for i, value in enumerate(parameters):
            self.register_parameter("w" if len(parameters) == 1 else f"w{i}", nn.Parameter(value))
        for i, value in enumerate(buffers):
            self.register_buffer(f"constant{i}", value)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The function's value."""
        return self.function(*inputs, *self.parameters(), *self.buffers())


def alone(operation: nn.Module, *inputs: Tensor) -> Host:
    """The operation as the whole network, for several inputs."""
    return Host(lambda: [operation], 0, inputs)


def spread(*shape: int) -> Tensor:
    """Numbers from −1 to 1, evenly, none of them 0."""
    count = torch.Size(shape).numel()
    return (torch.arange(count) * 2 + 1 - count + 0.5).reshape(shape) / count
