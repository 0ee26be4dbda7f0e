"""The network and the data that all candidates share."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from torch_models import threads
from torch_models.recipes import RECIPES

# So small that random labels do not switch the hidden layers off while time is taken.
LR, MOMENTUM = 1e-3, 0.9
CPU = torch.device("cpu")


def where(device: torch.device) -> str:
    """What computes."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else threads.number()


@dataclass(frozen=True)
class Setting:
    """A network with cross entropy, and batches of random data of the shape that it takes."""

    sizes: Sequence[int]
    batch: int
    activation: str = "relu"
    batches: int = 8  # different ones, so that the data do not stay in the cache
    device: torch.device = CPU
    network: str = "mlp"  # only that has sizes and an activation

    def __str__(self) -> str:
        sizes = "-".join(map(str, self.sizes))
        mlp = f"{sizes} {self.activation}"
        network = f"{mlp if self.network == 'mlp' else self.network}, cross-entropy"
        return f"{network}, batch of {self.batch}, float32, {where(self.device)}"

    @property
    def on_gpu(self) -> bool:
        """Whether the device is an NVIDIA GPU."""
        return self.device.type == "cuda"

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    def data(self) -> list[tuple[Tensor, Tensor]]:
        """(samples, labels) for each batch."""
        generator = torch.Generator().manual_seed(0)
        made = [self._batch(generator) for _ in range(self.batches)]
        return [(x.to(self.device), y.to(self.device)) for x, y in made]

    def _batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        recipe = RECIPES[self.network]
        if "text" in recipe.epochs:
            shape = (self.batch, *recipe.sample)
            x, y = (torch.randint(recipe.classes, shape, generator=generator) for _ in "xy")
            return x, y
        is_mlp = self.network == "mlp"
        sample = self.sizes[:1] if is_mlp else recipe.sample
        x = torch.rand(self.batch, *sample, generator=generator)
        classes = self.sizes[-1] if is_mlp else recipe.classes
        return x, torch.randint(classes, (self.batch,), generator=generator)

    def data_with_one_hot_targets(self) -> list[tuple[Tensor, Tensor]]:
        """(samples, targets of the samples' type) for each batch."""
        return [(x, one_hot(y, self.sizes[-1]).to(x.dtype)) for x, y in self.data()]
