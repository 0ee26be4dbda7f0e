"""One training in its folder: what is logged and said before, during and after it."""

import math
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from torch_models import diverged, resume, threads
from torch_models.checkpoints import LAST, NotSavedError, what_is_left
from torch_models.classifier import Classifier, NonFiniteLossError
from torch_models.dashboards import about
from torch_models.dashboards.logger import keep_hyperparameters, log_hyperparameters
from torch_models.data import TrainingData
from torch_models.interrupts import Interrupts
from torch_models.progress import say
from torch_models.sealed import DamagedError
from torch_models.text_sample import sample_of_text

#: What a test finds.
TESTED = ("accuracy/test", "loss/test")


def fit(
    trainer: L.Trainer,
    classifier: Classifier,
    data: TrainingData,
    checkpoint: Path | None = None,
    contents: dict[str, Any] | None = None,
    command: str = "",
) -> None:
    """Train and test, and print the figures.

    Args:
        trainer: with a TensorBoardLogger.
        classifier: what to train.
        data: with its samples loaded.
        checkpoint: what to go on from, in the logger's folder.
        contents: what it holds; nothing if the run was ended before it was saved.
        command: that the user gave, for the run's text page.

    Raises:
        NonFiniteLossError: saying where that began, and what is left.
        NotSavedError: the folder cannot be written; saying what is left.
    """
    samples, logger, epochs = data.samples, trainer.logger, trainer.max_epochs
    assert samples is not None
    assert epochs is not None
    assert isinstance(logger, TensorBoardLogger)
    hparams = {**classifier.hparams, **data.hparams, "epochs": epochs}
    if contents:
        resume.forget_later(logger, contents["global_step"])
    else:
        if checkpoint:
            resume.start_over(logger)
        keep_hyperparameters(logger, hparams)

    parts = {"training": samples.train, "validation": samples.val, "test": samples.test}
    kind = f"sequences of {samples.train[0].shape[1]} bytes" if samples.is_text else "images"
    sizes = ", ".join(f"{len(labels)} {part}" for part, (_, labels) in parts.items())
    device = trainer.strategy.root_device
    on = f"{device}, {threads.number()}" if device.type == "cpu" else device
    lines = [
        f"{samples.name}: {sizes} {kind}",
        f"{_described(classifier)}, {hparams['loss']}, {hparams['backprop']} gradients, on {on}",
    ]
    for line in lines:
        say(line)
    about.before(logger, lines, command)
    if checkpoint:
        say(_going_on(checkpoint, contents, epochs))
    interrupts = Interrupts()
    trainer.callbacks.append(interrupts)  # type: ignore[attr-defined]
    try:
        with interrupts:
            path = checkpoint if contents else None
            trainer.fit(classifier, data, ckpt_path=path, weights_only=True)
            trainer.test(classifier, data, verbose=False)
            tested = {name: float(trainer.callback_metrics[name]) for name in TESTED}
            about.after(logger, tested, trainer.global_step)
            log_hyperparameters(logger, hparams, tested)
    except NonFiniteLossError as error:
        last = _run(trainer) / LAST
        saved = resume.read(last) if last.exists() else contents
        where = diverged.where(
            error, trainer, classifier, samples, data.hparams["batch_size"], saved
        )
        left = what_is_left(_run(trainer))
        raise NonFiniteLossError(f"{error}; {where}; {left}", error.stage) from error
    except NotSavedError as error:
        raise NotSavedError(f"{error}; {what_is_left(_run(trainer))}") from error
    except DamagedError as error:  # it was not when it was read before
        raise resume.CheckpointError(
            f"{checkpoint} {error}, it was changed while it was in use"
        ) from error
    except OSError as error:
        reason = f"{_run(trainer)} cannot be written: {error.strerror or error}"
        raise NotSavedError(f"{reason}; {what_is_left(_run(trainer))}") from error
    say(f"test accuracy {tested['accuracy/test']:.4f}")
    say(f"test loss {tested['loss/test']:.4f}")
    if samples.is_text:
        say(f"test bits per byte {tested['loss/test'] / math.log(2):.4f}")
        say("generated text:")
        for line in sample_of_text(classifier.network, samples).split("\n"):
            say(f"    {line}")
    say(f"run         {logger.log_dir}")
    say(f"dashboards  tensorboard --logdir {logger.save_dir}")


def _described(classifier: Classifier) -> str:
    """The network in words."""
    hparams = classifier.hparams
    if hparams["network"] == "mlp":
        return f"{hparams['sizes']} {hparams['activation']}"
    parameters = sum(w.numel() for w in classifier.network.parameters())
    return f"{hparams['network']} of {parameters:,} parameters"


def _going_on(checkpoint: Path, contents: dict[str, Any] | None, epochs: int) -> str:
    if not contents:
        return f"starting {checkpoint.parent.parent} over: it was interrupted in its first epoch"
    done = contents["epoch"] + 1
    if done < epochs:
        return f"resuming {checkpoint} after epoch {done} of {epochs}"
    return (
        f"{checkpoint} has {done} epochs: nothing left to train; give a larger --epochs to continue"
    )


def _run(trainer: L.Trainer) -> Path:
    """Its folder, which only the first of several processes knows before they all train."""
    saving = trainer.checkpoint_callback
    assert isinstance(saving, ModelCheckpoint)
    return Path(saving.dirpath or "").parent
