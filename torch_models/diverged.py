"""Where NaN or infinity first appeared in a training that it has ended.

No step waits for a look at its numbers, so a training notices some steps late, when they are
everywhere. But its course follows from its last checkpoint and its seed alone: here it is gone
again from there, without Lightning, with a look at every number of every step.
"""

from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from torch_models.batches import Batches
from torch_models.classifier import Classifier, NonFiniteLossError
from torch_models.datasets import Samples
from torch_models.explicit import Explicit


def where(
    error: NonFiniteLossError,
    trainer: L.Trainer,
    classifier: Classifier,
    samples: Samples,
    batch_size: int | str,
    saved: dict[str, Any] | None,
) -> str:
    """The first number that was not finite, in words.

    Args:
        error: what the training ended with.
        trainer: for its device and precision.
        classifier: the one that was trained.
        samples: what it was trained with, in batches of ``batch_size``.
        batch_size: as ``Samples.training_batches`` takes it.
        saved: the contents of its last checkpoint, if it has one.
    """
    device, precision = trainer.strategy.root_device, trainer.precision_plugin
    context = precision.forward_context
    if error.stage == "test":
        test = samples.test_batches(device)
        return f"it appeared in {in_evaluation(classifier, test, context, precision)}"
    again = Classifier(**classifier.hparams).to(device)
    precision.convert_module(again)  # in place
    optimizer = again.configure_optimizers()
    step, epoch = 0, 0
    if saved:
        again.load_state_dict(saved["state_dict"])
        optimizer.load_state_dict(saved["optimizer_states"][0])
        step, epoch = saved["global_step"], saved["epoch"] + 1
    batches = samples.training_batches(batch_size, classifier.hparams["seed"], device)
    for batch in batches.of_epoch(epoch):
        step += 1
        found = in_step(again, optimizer, precision.convert_input(batch), context, step - 1)
        if found:
            return f"it first appeared in {found} at step {step}"
    if error.stage == "train":
        return "the loss of every step was finite, but their mean is not"
    again.eval()
    found = in_evaluation(again, samples.val_batches(device), context, precision)
    return f"it first appeared in {found} after step {step}"


def in_step(
    classifier: Classifier,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor],
    context=nullcontext,
    step: int = 0,
) -> str | None:
    """Train one step, counted from 0; say where it computed what is not finite, if it did."""
    x, labels = batch
    optimizer.zero_grad()
    if classifier.hparams["backprop"] == "explicit":
        explicit = Explicit(
            classifier.network, classifier.hparams["activation"], classifier.hparams["loss"]
        )
        loss, _ = explicit.forward(x, labels)
        explicit.backward(labels)
    else:
        with context(), classifier.masks(step):
            loss = classifier.loss(classifier(x), labels)
        loss.backward()
    if not loss.isfinite():
        with classifier.masks(step):
            return in_forward(classifier.network, x, context())
    parameters = dict(classifier.network.named_parameters())
    for name in reversed(parameters):  # as backward comes to them
        gradient = parameters[name].grad
        if gradient is not None and not gradient.isfinite().all():
            return f"the gradient of network.{name}"
    classifier.prepare(optimizer, step)
    optimizer.step()
    for name, weight in parameters.items():
        if not weight.isfinite().all():
            return f"network.{name}, by its update"
    return None


def in_forward(network: nn.Module, x: Tensor, context: AbstractContextManager) -> str:
    """The layer whose output is the first that is not finite; the loss, if all are."""
    found: list[str] = []

    def look(name: str, layer: nn.Module, _: object, output: Any) -> None:
        # That of an LSTM has its last state as well.
        output = output[0] if isinstance(output, tuple) else output
        if not found and not output.isfinite().all():
            found.append(f"the output of network.{name}, {layer}".split("\n")[0].rstrip(" (,"))

    with torch.no_grad(), context, ExitStack() as stack:
        for name, layer in network.named_modules():
            if name:
                handle = layer.register_forward_hook(partial(look, name))
                stack.callback(handle.remove)
        network.forward(x)  # not its compiled form, where no hook is called
    return found[0] if found else "the loss, although the outputs are finite"


def in_evaluation(classifier: Classifier, batches: Batches, context, precision) -> str:
    """The same over the batches of validation or test."""
    for batch in batches:
        x, _ = precision.convert_input(batch)
        found = in_forward(classifier.network, x, context())
        if not found.startswith("the loss"):
            return found
    return "the loss, although the outputs are finite"
