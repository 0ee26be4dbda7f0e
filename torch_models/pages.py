"""The callback that fills TensorBoard's pages while a classifier is trained.

The defaults cost less than a tenth of a training's time; ``full`` adds what costs more.
"""

import copy
import time
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard._pytorch_graph import graph

from torch_models import pictures, probe, projector
from torch_models.batches import Batch
from torch_models.classifier import STEPS_PER_LOOK, Classifier
from torch_models.dashboards import CUSTOM_PAGE
from torch_models.data import ImageData

#: Validation images that the layers' figures are taken on.
PROBE = 128
#: Points of the embedding: of a run at its end, of ``full`` after every epoch.
POINTS, POINTS_IN_FULL = 500, 2_000
BINS = 60
#: The page of custom scalars; ``compare.training --log-dir`` adds the gradients' disagreement.
LAYOUT = {
    CUSTOM_PAGE: {
        "loss": ["Multiline", ["loss/train", "loss/val"]],
        "accuracy": ["Multiline", ["accuracy/train", "accuracy/val"]],
    }
}


class Pages(L.Callback):
    """Writes what a person wants to see of a training, from the first process alone.

    Norms of δ and of the weights' gradients every ``STEPS_PER_LOOK`` steps and after each epoch;
    learning rate, examples per second and histograms after each epoch; pictures and PR curves
    after the first and the last; the graph at the start, the embedding at the end.

    Args:
        full: pictures, PR curves and an embedding, of more images, after each epoch.
    """

    def __init__(self, full: bool = False) -> None:
        self.full = full
        self._started, self._seen, self._rate = 0.0, 0, 0.0
        self._val: Batch | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the fixed batch, and write what stays the same all through."""
        if not trainer.is_global_zero:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, ImageData)
        assert data.images is not None
        x, labels = data.images.val
        self._val = x.to(pl_module.device), labels.to(pl_module.device)
        writer = _writer(trainer)
        writer.add_custom_scalars(LAYOUT)
        if trainer.global_step == 0:
            assert isinstance(pl_module, Classifier)
            _graph(writer, pl_module, x[:1])

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._started, self._seen = time.perf_counter(), 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, i: int
    ) -> None:
        """Count the samples, and take the norms now and then."""
        self._seen += len(batch[1])
        if self._val is not None and trainer.global_step % STEPS_PER_LOOK == 0:
            assert isinstance(pl_module, Classifier)
            _norms(_writer(trainer), self._look(pl_module), trainer.global_step - 1)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock: only training counts."""
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        self._rate = self._seen / max(time.perf_counter() - self._started, 1e-9)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the epoch's pages."""
        if self._val is None:
            return
        assert isinstance(pl_module, Classifier)
        assert trainer.max_epochs is not None
        # The step that Lightning gives the epoch's loss and accuracy.
        writer, step = _writer(trainer), trainer.global_step - 1
        writer.add_scalar(
            "training/learning rate", trainer.optimizers[0].param_groups[0]["lr"], step
        )
        writer.add_scalar("training/examples per second", self._rate, step)
        layers = self._look(pl_module)
        if trainer.global_step % STEPS_PER_LOOK:
            _norms(writer, layers, step)
        for number, layer in enumerate(layers, 1):
            for name, values in (
                ("weights", layer.weight),
                ("gradients", layer.gradient),
                ("delta", layer.delta),
                ("activations", layer.activation),
            ):
                _histogram(writer, f"{name}/layer {number}", values, step)
        epoch = trainer.current_epoch + 1
        is_last = epoch == trainer.max_epochs
        if self.full or is_last or epoch == 1:
            self._pictures(writer, pl_module, layers[0].weight, step)
        if self.full or is_last:
            self._embedding(Path(writer.log_dir), pl_module, epoch)

    def _look(self, classifier: Classifier) -> list[probe.Layer]:
        assert self._val is not None
        x, labels = self._val
        return probe.layers(classifier, x[:PROBE], labels[:PROBE])

    def _pictures(
        self, writer: SummaryWriter, classifier: Classifier, W: Tensor, step: int
    ) -> None:
        assert self._val is not None
        x, labels = self._val
        with torch.no_grad():
            scores = probe.probabilities(classifier, x).float().cpu()
        labels = labels.cpu()
        pairs = labels * scores.shape[1] + scores.argmax(1)
        counts = pairs.bincount(minlength=scores.shape[1] ** 2).view(scores.shape[1], -1)
        _image(writer, "pictures/weights of layer 1", pictures.first_layer(W), step)
        _image(writer, "pictures/misclassified", pictures.mistakes(x, labels, scores), step)
        _image(writer, "pictures/confusion matrix", pictures.confusion_matrix(counts), step)
        for digit in range(scores.shape[1]):
            writer.add_pr_curve(
                f"precision against recall/class {digit}", labels == digit, scores[:, digit], step
            )

    def _embedding(self, run: Path, classifier: Classifier, epoch: int) -> None:
        assert self._val is not None
        x, labels = (part[: POINTS_IN_FULL if self.full else POINTS] for part in self._val)
        with torch.no_grad():
            points = probe.last_hidden(classifier, x)
            said = probe.probabilities(classifier, x).argmax(1)
        name = f"last hidden layer, epoch {epoch}"
        projector.write(run, name, points, x, labels, said)


def _writer(trainer: L.Trainer) -> SummaryWriter:
    assert isinstance(trainer.logger, TensorBoardLogger)
    return trainer.logger.experiment


def _norms(writer: SummaryWriter, layers: list[probe.Layer], step: int) -> None:
    for number, layer in enumerate(layers, 1):
        writer.add_scalar(f"norm of delta/layer {number}", layer.delta.norm(), step)
        writer.add_scalar(f"norm of gradient/layer {number}", layer.gradient.norm(), step)


def _histogram(writer: SummaryWriter, tag: str, values: Tensor, step: int) -> None:
    """Equal bins: ten times as fast as the writer's own, and TensorBoard shows 30 equal ones."""
    values = values.float().flatten()
    values = values[values.isfinite()]
    if not len(values):
        return
    low, high = values.min().item(), values.max().item()
    start, end = (low, high) if low < high else (low - 0.5, high + 0.5)
    counts = torch.histc(values, BINS, start, end)
    edges = torch.linspace(start, end, BINS + 1, dtype=torch.float64)
    writer.add_histogram_raw(
        tag,
        min=low,
        max=high,
        num=len(values),
        sum=values.sum().item(),
        sum_squares=values.square().sum().item(),
        # TensorBoard wants the upper end of each bin, so the lowest end gets an empty one.
        bucket_limits=edges.tolist(),
        bucket_counts=[0.0, *counts.tolist()],
        global_step=step,
    )


def _image(writer: SummaryWriter, tag: str, picture: Image.Image, step: int) -> None:
    """As it is: the writer's own way takes an array apart and compresses it three times as long."""
    png = BytesIO()
    picture.save(png, "PNG", compress_level=1)
    encoded = Summary.Image(
        height=picture.height,
        width=picture.width,
        colorspace=3,
        encoded_image_string=png.getvalue(),
    )
    summary = Summary(value=[Summary.Value(tag=tag, image=encoded)])
    writer._get_file_writer().add_summary(summary, step)


def _graph(writer: SummaryWriter, classifier: Classifier, x: Tensor) -> None:
    """The forward pass, which the explicit way shares with autograd's, its layers in plain view."""
    # A copy is neither compiled nor on another device.
    network = copy.deepcopy(classifier.network).cpu().float()
    with warnings.catch_warnings():
        # PyTorch's writer traces with what PyTorch deprecates.
        warnings.simplefilter("ignore")
        drawn, machine = graph(network, x.cpu())
    around = f"{type(network).__name__}/"
    for node in drawn.node:
        # Otherwise all that is seen at first is one closed box.
        node.name = node.name.removeprefix(around)
        node.input[:] = [name.removeprefix(around) for name in node.input]
    writer._get_file_writer().add_graph((drawn, machine))
