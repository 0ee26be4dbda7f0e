"""The network and the data that all candidates share."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

# So small that random labels do not switch the hidden layers off while time is taken.
LR, MOMENTUM = 1e-3, 0.9
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Setting:
    """A multilayer perceptron with cross entropy, batches of data of MNIST's shape."""

    sizes: Sequence[int]
    batch: int
    activation: str = "relu"
    batches: int = 8  # different ones, so that the data do not stay in the cache
    device: torch.device = CPU

    def __str__(self) -> str:
        sizes = "-".join(map(str, self.sizes))
        network = f"{sizes} {self.activation}, cross-entropy"
        threads = f"{torch.get_num_threads()} threads"
        where = torch.cuda.get_device_name(self.device) if self.on_gpu else threads
        return f"{network}, batch of {self.batch}, float32, {where}"

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
        made = [
            (
                torch.rand(self.batch, self.sizes[0], generator=generator),
                torch.randint(self.sizes[-1], (self.batch,), generator=generator),
            )
            for _ in range(self.batches)
        ]
        return [(x.to(self.device), y.to(self.device)) for x, y in made]

    def data_with_one_hot_targets(self) -> list[tuple[Tensor, Tensor]]:
        """(samples, targets of the samples' type) for each batch."""
        return [(x, one_hot(y, self.sizes[-1]).to(x.dtype)) for x, y in self.data()]
