"""What the loop around the network costs.

In turn: a bare loop, ``torch_models.train``, and Lightning as tutorials have it, with torchvision's
transforms on one image at a time. Each trains on the same images and then looks at the validation
images.
"""

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from itertools import pairwise
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST

from compare.speed.setting import LR, MOMENTUM
from torch_models.classifier import Classifier
from torch_models.dashboards.logger import run_logger
from torch_models.data import TrainingData
from torch_models.datasets import Samples
from torch_models.explicit import Explicit
from torch_models.fit import fit
from torch_models.options import parse_train
from torch_models.quiet import quietly
from torch_models.streams import kept
from torch_models.train import build_trainer

#: Training and validation images, as torch_models.train splits MNIST.
SIZES = (55_000, 5_000)
WAYS = ("autograd", "manual", "explicit")


def images(training: int, validation: int) -> Samples:
    """Data of MNIST's shape."""
    generator = torch.Generator().manual_seed(0)

    def part(n: int) -> tuple[Tensor, Tensor]:
        x = torch.randint(256, (n, 784), generator=generator) / 255
        return x, torch.randint(10, (n,), generator=generator)

    return Samples("mnist", part(training), part(validation), part(validation))


def epochs(data: Samples, rounds: int, advance: Callable[[], None]) -> dict[str, list[float]]:
    """Seconds an epoch by name, ``rounds`` of each, in turn."""
    found: dict[str, list[float]] = {f"train, {way}": [] for way in WAYS}
    found |= {f"bare loop, {way}": [] for way in WAYS}
    found["tutorial"] = []
    for _ in range(rounds):
        for way in WAYS:
            found[f"train, {way}"].append(of_train(way, data))
            found[f"bare loop, {way}"].append(of_bare_loop(way, data))
        found["tutorial"].append(of_tutorial(data))
        advance()
    return found


class Timed(Classifier):
    """Notes when each epoch starts."""

    starts: list[float]

    def on_train_epoch_start(self) -> None:
        self.starts.append(time.perf_counter())


def of_train(way: str, data: Samples, counted: int = 3) -> float:
    """Seconds an epoch of ``python -m torch_models.train --backprop <way>``, the median of some.

    The first epoch and the last draw more for TensorBoard and do not count.
    """
    module, loaded = Timed(backprop=way, lr=LR, momentum=MOMENTUM), TrainingData()
    module.starts, loaded.samples = [], data
    epochs = ["--epochs", str(counted + 2)]
    with tempfile.TemporaryDirectory() as folder, quietly(), redirect_stdout(StringIO()), kept():
        options = parse_train(["--backprop", way, *epochs, "--accelerator", "cpu"])
        trainer = build_trainer(options, run_logger(folder, way, "version_0"))
        fit(trainer, module, loaded)
    return statistics.median(b - a for a, b in pairwise(module.starts[1:]))


def of_bare_loop(way: str, data: Samples) -> float:
    """Seconds of a second epoch, with nothing around it; nothing is logged, drawn or saved."""
    module = Classifier(backprop=way, lr=LR, momentum=MOMENTUM)
    descent = module.configure_optimizers()
    explicit = Explicit(module.network, "relu", "cross-entropy")
    explicit.take(descent)
    batches = data.training_batches()
    for epoch in range(2):
        start = time.perf_counter()
        for x, labels in batches.of_epoch(epoch):
            if way == "explicit":
                explicit.step(x, labels)
            else:
                descent.zero_grad()
                module.loss(module.network(x), labels).backward()
                descent.step()
    right = 0
    with torch.no_grad():
        for x, labels in data.val_batches():
            output = module.network(x)
            float(module.loss(output, labels))
            right += int((output.argmax(1) == labels).sum())
    return time.perf_counter() - start


class OneByOne(MNIST):
    """The images as torchvision's MNIST hands them out."""

    def __init__(self, x: Tensor, labels: Tensor) -> None:
        to_tensor = [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
        self.transform, self.target_transform = transforms.Compose(to_tensor), None
        self.data, self.targets = (255 * x).byte().view(-1, 28, 28), labels


class Tutorial(L.LightningModule):
    """The notes' network, trained as a first Lightning program does it."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: list[float] = []
        self.network = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 160), nn.ReLU(), nn.Linear(160, 10)
        )

    def on_train_epoch_start(self) -> None:
        self.starts.append(time.perf_counter())

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, labels = batch
        loss = nn.functional.cross_entropy(self.network(x), labels)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, labels = batch
        output = self.network(x)
        self.log("val_loss", nn.functional.cross_entropy(output, labels))
        self.log("val_accuracy", (output.argmax(1) == labels).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=LR, momentum=MOMENTUM)


def of_tutorial(data: Samples) -> float:
    """Seconds of its second epoch."""
    module = Tutorial()
    with tempfile.TemporaryDirectory() as folder, quietly(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it should have more worker processes, and so on
        trainer = L.Trainer(
            accelerator="cpu",
            max_epochs=3,
            default_root_dir=folder,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        train, val = OneByOne(*data.train), OneByOne(*data.val)
        trainer.fit(
            module,
            DataLoader[Any](train, batch_size=128, shuffle=True),
            DataLoader[Any](val, batch_size=128),
        )
    return module.starts[2] - module.starts[1]
