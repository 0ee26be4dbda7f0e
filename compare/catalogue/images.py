"""Images of one, two and three dimensions, and the network for layers between them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from compare.catalogue.entry import FunctionCall
from compare.catalogue.host import CLASSES, Host, batch
from compare.catalogue.values import normal

#: Positions of an image in the hosts, for so many dimensions.
ROOM = {1: (12,), 2: (4, 6), 3: (2, 4, 2)}
#: Into which these are divided without a rest.
EVEN_PARTS = {1: (4,), 2: (4, 2), 3: (1, 2, 2)}


def between_images(layer: nn.Module, dims: int) -> Host:
    """A convolution, the layer, and a Linear."""
    conv = getattr(nn, f"Conv{dims}d")

    def row() -> list[nn.Module]:
        outputs = layer(torch.zeros(1, 3, *ROOM[dims])).numel()
        return [conv(2, 3, 3, padding=1), layer, nn.Flatten(), nn.Linear(outputs, CLASSES)]

    return Host(row, 1, batch(5, 2, *ROOM[dims]))


def drawn_images(dims: int) -> Callable[[], tuple[Tensor]]:
    """What modules are given."""
    return lambda: (torch.randn(3, 2, *(7, 6, 5)[:dims]),)


def small_images(dims: int) -> Tensor:
    """What functions are tried on."""
    return normal(2, 1, *{1: (7,), 2: (5, 4), 3: (4, 3, 3)}[dims])


def of_images(dims: int, *calls: FunctionCall) -> Sequence[FunctionCall]:
    """All of them in two dimensions; one and three, by the same Function, take the first two."""
    return calls if dims == 2 else calls[:2]
