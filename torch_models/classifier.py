"""The LightningModule that trains a classifier, whatever computes its gradient."""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.optim import Optimizer

from manual_backprop.optim import Momentum
from torch_models import dropout_masks
from torch_models.batches import Batch
from torch_models.explicit import Explicit
from torch_models.names import LOSSES, Reads, known
from torch_models.networks.build import build
from torch_models.recipes import RECIPES
from torch_models.tally import Tally
from torch_models.tamed_descent import prepare
from torch_models.who_steps import TakesSteps


class NonFiniteLossError(Exception):
    """The loss of ``stage``, ``"train"``, ``"val"`` or ``"test"``, became NaN or infinite."""

    def __init__(self, message: str, stage: str) -> None:
        super().__init__(message)
        self.stage = stage


class Classifier(TakesSteps):
    """A network, its loss, and stochastic gradient descent with momentum.

    Batches are (x, y) of any DataLoader: images x of shape (n, 784) or (n, 1, 28, 28) and labels y
    (n); for ``"gpt"`` bytes x (n, length). The hyperparameters are str, int and float, from which a
    checkpoint builds the network again.

    Args:
        backprop: way of computing the gradient, a key of ``names.NAMESPACES``.
        sizes: neurons of each layer, input first, as in ``"784-160-10"``.
        activation: of the hidden layers, one of ``names.ACTIVATIONS``.
        loss: one of ``names.LOSSES``.
        lr: learning rate η in w ← w − η v.
        momentum: β, 0 for plain descent.
        momentum_form: ``"torch"`` for v ← β v + g, ``"ema"`` for the notes' v ← β v + (1 − β) g.
        seed: decides the initial weights and the masks of dropout, the same ones for every way.
        network: a key of ``recipes.RECIPES``; only ``"mlp"`` has sizes and an activation, and
            another loss than cross entropy.
        warmup: number of steps in which the learning rate grows to ``lr``.
        half_life: number of steps in which it then halves, repeatedly; 0 for never.
        clip: largest norm of all gradients together; 0 for no limit.
        attention: of gpt, one of ``names.ATTENTIONS``.

    Raises:
        ValueError: for an unknown name, or sizes that make no network.
        NonFiniteLossError: (in training) the loss is infinite or NaN.
    """

    def __init__(
        self,
        backprop: str = "autograd",
        sizes: str = "784-160-10",
        activation: str = "relu",
        loss: str = "cross-entropy",
        lr: float = 0.1,
        momentum: float = 0.9,
        momentum_form: str = "torch",
        seed: int = 0,
        network: str = "mlp",
        warmup: int = 0,
        half_life: int = 0,
        clip: float = 0.0,
        attention: str = "whole",
    ) -> None:
        super().__init__()
        is_mlp = network == "mlp"
        of_others = [] if is_mlp else ["sizes", "activation"]
        of_others += [] if network == "gpt" else ["attention"]
        self.save_hyperparameters(logger=False, ignore=of_others)
        self.network, self.loss = build(network, backprop, seed, sizes, activation, loss, attention)
        classes = int(sizes.rpartition("-")[2]) if is_mlp else RECIPES[network].classes
        self.tallies = torch.nn.ModuleDict(
            {f"of {stage}": Tally(classes) for stage in ("train", "val", "test")}
        )
        self._sample = (int(sizes.partition("-")[0]),) if is_mlp else RECIPES[network].sample
        self._has_masks = dropout_masks.are_drawn_by(self.network)
        self._explicit: Explicit | None = None
        self._unseen: list[tuple[int, Tensor, Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        """(N, …) → (N, classes, …): logits, log-probabilities or probabilities for the loss."""
        return self.network(self.shaped(x))

    @property
    def reads_pictures(self) -> bool:
        """Whether 28 × 28 pixels are a sample."""
        return math.prod(self._sample) == 28 * 28

    def shaped(self, x: Tensor) -> Tensor:
        """Samples in the shape that the network takes: (N, 1, 28, 28) as (N, 784), or back.

        Raises:
            ValueError: they have more numbers or fewer.
        """
        if not x.is_floating_point():  # text, as long as it is
            return x
        if x.shape[1:].numel() != math.prod(self._sample):
            raise ValueError(
                f"expected samples with the {math.prod(self._sample)} numbers of shape "
                f"{self._sample}, got {tuple(x.shape[1:])}"
            )
        return x.reshape(len(x), *self._sample)

    def probabilities(self, x: Tensor) -> Tensor:
        """(N, …) → (N, classes, …), whatever the loss reads."""
        output = self(self.as_input(x))
        loss = self.hparams["loss"]
        if LOSSES[loss] is Reads.LOG_PROBABILITIES:
            return output.exp()
        if LOSSES[loss] is Reads.PROBABILITIES:
            return output
        return output.sigmoid() if loss == "bce-with-logits" else output.softmax(1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """SGD with momentum, as torch defines it or as the notes do."""
        forms = {"torch": torch.optim.SGD, "ema": Momentum}
        form = known("momentum form", self.hparams["momentum_form"], forms)
        return form(self.parameters(), lr=self.hparams["lr"], momentum=self.hparams["momentum"])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note the number of threads: the last digits depend on it."""
        checkpoint["threads"] = torch.get_num_threads()

    def on_train_start(self) -> None:
        """The explicit way starts when weights and velocities are where they will stay."""
        if self.hparams["backprop"] == "explicit":
            self.refuse_lightnings_steps("not with backprop='explicit'")
            self._explicit = Explicit(
                self.network, self.hparams["activation"], self.hparams["loss"]
            )
            descent = self.trainer.optimizers[0]
            self._explicit.take(descent)
            # Called after each step, for Lightning to count it: there is no .grad to look for.
            descent.step = lambda closure=None: None  # type: ignore[method-assign, assignment]

    def training_step(
        self, batches: Batch | list[Tensor] | Iterator[Batch], index: int
    ) -> Tensor | None:
        """One step of the descent for each batch; only then are the losses looked at.

        One batch, (samples, labels) as a DataLoader gives it, or several from ``Executions``.
        Where Lightning takes the step, it is given the loss.
        """
        for x, labels in batches if isinstance(batches, Iterator) else [batches]:
            loss, output = self._descend(self.as_input(x), labels)
            # Of text only what is said is kept: the chances of every byte take hundreds of times
            # the memory.
            said = output if labels.dim() == 1 else output.argmax(1)
            self._unseen.append((self.global_step, loss.detach(), said, labels))
        if len(self._unseen) > 1:
            self.refuse_lightnings_steps("only with ImageData(steps_per_execution=1)")
        self._look()
        return loss if self.automatic_optimization else None

    def as_input(self, x: Tensor) -> Tensor:
        """As the network takes it: its shape; numbers in its precision, bytes as they are."""
        x = self.shaped(x)
        return x.to(self.dtype) if x.is_floating_point() else x

    def masks(self, step: int, rank: int = 0) -> AbstractContextManager[None]:
        """Within it the forward pass of this step, counted from 0, draws its dropout."""
        if not self._has_masks:
            return nullcontext()
        return dropout_masks.of_step(self.device, self.hparams["seed"], step, rank)

    def prepare(self, descent: Optimizer | LightningOptimizer, step: int) -> None:
        """Make the descent ready for the update of this step, counted from 0."""
        prepare(
            descent.param_groups,
            step,
            *(self.hparams[name] for name in ("lr", "warmup", "half_life", "clip")),
        )

    def _descend(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and output before the step: the one place where the ways differ."""
        descent = self.optimizers()
        assert isinstance(descent, LightningOptimizer)
        if self._explicit:
            seen = self._explicit.step(x, labels)
            descent.step()  # only counts
            return seen
        step = self.global_step
        with self.masks(self.forward_passes, self.global_rank):
            output = self.network(x)
        loss = self.loss(output, labels)
        if self.automatic_optimization:
            return loss, output.detach()
        descent.zero_grad()
        cast = torch.is_autocast_enabled(self.device.type)  # which is for forward passes only
        with torch.autocast(self.device.type, enabled=False) if cast else nullcontext():
            self.manual_backward(loss)
        self.prepare(descent, step)
        descent.step()
        return loss.detach(), output.detach()

    def _look(self) -> None:
        """Take the steps since the last look into the epoch's mean loss and accuracy.

        It waits for the device, so a step must not.
        """
        steps, losses, outputs, labels = zip(*self._unseen, strict=True)
        self._unseen.clear()
        loss = torch.stack(losses)
        finite = loss.isfinite()
        if not finite.all():
            first = int(finite.int().argmin())
            raise NonFiniteLossError(
                f"the training loss became {float(loss[first])} at step {steps[first]} "
                f"(epoch {self.current_epoch + 1})",
                "train",
            )
        sizes = [y.numel() for y in labels]
        self._tally("train").update(loss, sizes, torch.cat(outputs), torch.cat(labels))

    def epoch_metrics(self, stage: str) -> dict[str, float]:
        """Mean loss and accuracy over the labels of the epoch's batches so far.

        For ``"train"`` each batch counts as it was when the training came to it.

        Raises:
            NonFiniteLossError: the loss is NaN or infinite.
        """
        loss, accuracy = self._tally(stage).compute()
        if not math.isfinite(loss):
            raise NonFiniteLossError(f"loss/{stage} is {loss} after step {self.global_step}", stage)
        return {f"loss/{stage}": loss, f"accuracy/{stage}": accuracy}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count one batch."""
        self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Count one batch."""
        self._evaluate("test", batch)

    def predict_step(self, batch: Tensor | Sequence[Tensor], batch_idx: int) -> Tensor:
        """The probabilities of one batch, (N, classes, …), with labels or without."""
        return self.probabilities(batch if isinstance(batch, Tensor) else batch[0])

    def _evaluate(self, stage: str, batch: Batch) -> None:
        x, labels = batch
        output = self(self.as_input(x))
        loss = self.loss(output, labels).view(1)
        self._tally(stage).update(loss, [labels.numel()], output, labels)

    def on_validation_epoch_end(self) -> None:
        """Log ``loss/val`` and ``accuracy/val``."""
        self._log("val")

    def on_test_epoch_end(self) -> None:
        """Log ``loss/test`` and ``accuracy/test``."""
        self._log("test")

    def on_train_epoch_end(self) -> None:
        """Log ``loss/train`` and ``accuracy/train``."""
        self._log("train")

    def _log(self, stage: str) -> None:
        """Log the epoch's figures at the number of its last step.

        In a training at once: Lightning would write its figures after it has saved the checkpoint,
        and a training killed between the two would lack them when it is resumed.
        """
        figures = self.epoch_metrics(stage)
        self._tally(stage).reset()
        if self.trainer.sanity_checking:  # Lightning's look at two batches before it trains
            return
        if self.trainer.state.fn is not TrainerFn.FITTING:
            self.log_dict(figures, sync_dist=True)  # ``trainer.test`` returns them
            return
        self.log_dict(figures, sync_dist=True, logger=False)
        of_all = self.trainer.callback_metrics
        for logger in self.loggers:
            values = {name: float(of_all[name]) for name in figures}
            logger.log_metrics(values, self.global_step - 1)
            logger.save()

    def _tally(self, stage: str) -> Tally:
        tally = self.tallies[f"of {stage}"]
        assert isinstance(tally, Tally)
        return tally
