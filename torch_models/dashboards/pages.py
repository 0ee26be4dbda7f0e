"""The callback that fills TensorBoard's pages while a classifier is trained.

The defaults cost less than a tenth of a training's time; ``full`` adds what costs more.
"""

import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from torch_models.batches import Batch, Executions
from torch_models.classifier import Classifier
from torch_models.dashboards import pictures, precision_recall, probe, projector, summaries
from torch_models.dashboards.insides import insides
from torch_models.dashboards.logger import CUSTOM_PAGE
from torch_models.data import TrainingData
from torch_models.datasets import Samples
from torch_models.networks.build import build
from torch_models.text_sample import sample_of_text

#: Validation images, or sequences, that the layers' figures are taken on.
PROBE, PROBE_TEXT = 128, 8
#: Steps between two looks at the norms, at least: a look waits for the end of an execution.
STEPS_PER_NORM = 100
#: Points of the embedding after the last epoch, by ``full``. Before it ``full`` takes half of them:
#: the projector opens with the largest.
POINTS = {False: 300, True: 2_000}
#: The page of custom scalars; ``compare.training --log-dir`` adds the gradients' disagreement.
LAYOUT = {
    CUSTOM_PAGE: {
        f"{what}, {name}": ["Multiline", [f"{what}/{stage}$"]]
        for what in ("loss", "accuracy")
        for stage, name in (("train", "training"), ("val", "validation"))
    }
}


class Pages(L.Callback):
    """Writes what a person wants to see of a training, from the first process alone.

    Norms of δ and of the weights' gradients every ``STEPS_PER_NORM`` steps and after each epoch;
    learning rate, examples per second and histograms after each epoch; the graph at the start;
    pictures at the end, with PR curves and an embedding of images, and a sample of text.

    Args:
        full: pictures, PR curves and an embedding, of more images, after each epoch.
    """

    def __init__(self, full: bool = False) -> None:
        self.full = full
        self._started, self._rate, self._looked = 0.0, 0.0, 0
        self._val: Batch | None = None
        self._samples: Samples

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the fixed batch, and write what stays the same all through."""
        if not trainer.is_global_zero:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, TrainingData)
        assert data.samples is not None
        x, labels = data.samples.val
        self._samples = data.samples
        self._val = x.to(pl_module.device), labels.to(pl_module.device)
        writer = _writer(trainer)
        writer.add_custom_scalars(LAYOUT)
        if trainer.global_step == 0:
            assert isinstance(pl_module, Classifier)
            summaries.graph(writer, _to_draw(pl_module), x[:1])

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock; looks at the norms begin anew, so that a resumed run has the same."""
        self._started, self._looked = time.perf_counter(), trainer.global_step

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, i: int
    ) -> None:
        """Take the norms now and then."""
        step = trainer.global_step
        if self._val is not None and step >= self._looked + STEPS_PER_NORM:
            assert isinstance(pl_module, Classifier)
            self._looked = step
            summaries.norms(_writer(trainer), self._look(pl_module), step - 1)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop the clock: only training counts."""
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        executions = trainer.train_dataloader
        assert isinstance(executions, Executions)
        # Those of all processes together.
        self._rate = len(executions.batches.samples) / (time.perf_counter() - self._started)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the epoch's pages."""
        if self._val is None:
            return
        assert isinstance(pl_module, Classifier)
        assert trainer.max_epochs is not None
        # The step that Lightning gives the epoch's loss and accuracy.
        writer, step = _writer(trainer), trainer.global_step - 1
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        writer.add_scalar("training/learning rate", rate, step)
        writer.add_scalar("training/examples per second", self._rate, step)
        layers = self._look(pl_module)
        if trainer.global_step > self._looked:
            summaries.norms(writer, layers, step)
        summaries.histograms(writer, layers, step)
        epoch = trainer.current_epoch + 1
        is_last = epoch == trainer.max_epochs
        if self.full or is_last:
            self._insides(writer, pl_module, step)
            if self._samples.is_text:
                text = sample_of_text(pl_module.network, self._samples)
                summaries.text(writer, "generated text", text, step)
                return
            self._pictures(writer, pl_module, step)
            points = POINTS[self.full] if is_last else POINTS[self.full] // 2
            # With leading zeros: the projector sorts by name.
            name = f"last hidden layer, epoch {epoch:0{len(str(trainer.max_epochs))}}"
            self._embedding(Path(writer.log_dir), pl_module, name, points)

    def _look(self, classifier: Classifier) -> list[probe.ProbedLayer]:
        assert self._val is not None
        x, labels = self._val
        probed = PROBE_TEXT if self._samples.is_text else PROBE
        return probe.layers(classifier, x[:probed], labels[:probed])

    def _insides(self, writer: SummaryWriter, classifier: Classifier, step: int) -> None:
        assert self._val is not None
        for name, picture in insides(classifier, self._val[0]).items():
            summaries.image(writer, f"pictures/{name}", picture, step)

    def _pictures(self, writer: SummaryWriter, classifier: Classifier, step: int) -> None:
        assert self._val is not None
        x, labels = self._val
        with torch.no_grad():
            scores = probe.probabilities(classifier, x).float().cpu()
        labels = labels.cpu()
        classes = scores.shape[1]
        pairs = labels * classes + scores.argmax(1)
        counts = pairs.bincount(minlength=classes**2).view(classes, classes)
        for name, picture in (
            ("misclassified", pictures.mistakes(x, labels, scores)),
            ("confusion matrix", pictures.confusion_matrix(counts)),
            ("precision against recall", precision_recall.picture(labels, scores)),
        ):
            summaries.image(writer, f"pictures/{name}", picture, step)
        summaries.precision_against_recall(writer, labels, scores, step)

    def _embedding(self, run: Path, classifier: Classifier, name: str, points: int) -> None:
        assert self._val is not None
        x, labels = (part[:points] for part in self._val)
        with torch.no_grad():
            hidden = probe.last_hidden(classifier, x)
            said = probe.probabilities(classifier, x).argmax(1)
        projector.write(run, name, hidden, x, labels, said)


def _to_draw(classifier: Classifier) -> nn.Module:
    """A network that can be traced: some Functions by hand cannot, and the graph is the same."""
    name = classifier.hparams["network"]
    return classifier.network if name == "mlp" else build(name, "autograd").network


def _writer(trainer: L.Trainer) -> SummaryWriter:
    assert isinstance(trainer.logger, TensorBoardLogger)
    return trainer.logger.experiment
