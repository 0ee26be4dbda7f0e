"""Whether Lightning can go on from what a checkpoint holds, found out before it tries."""

from collections.abc import Iterator, Mapping
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from packaging.version import InvalidVersion, Version
from torch import Tensor, nn

from torch_models.classifier import Classifier


def malformed(
    contents: Mapping[str, Any], trainer: L.Trainer, model: Classifier, steps: int
) -> Iterator[str]:
    """What does not fit, one phrase each.

    Args:
        contents: of the checkpoint, saved at the end of an epoch as all of ours are.
        trainer: the one to go on with; its loops have not run.
        model: likewise.
        steps: of an epoch.
    """
    try:
        Version(contents["pytorch-lightning_version"])
    except InvalidVersion:
        yield "pytorch-lightning_version"
    epochs = contents["epoch"] + 1
    whole = type(contents["epoch"]) is type(contents["global_step"]) is int
    if not whole or epochs < 1 or contents["global_step"] != epochs * steps:
        yield f"epoch {contents['epoch']} and global_step {contents['global_step']}"
    if contents.get("lr_schedulers") != []:
        yield "lr_schedulers"
    if not _loop_fits(contents["loops"].get("fit_loop"), trainer, epochs, contents["global_step"]):
        yield "fit_loop"
    if not _optimizer_fits(contents["optimizer_states"], model, contents["global_step"]):
        yield "optimizer_states"
    callbacks = contents.get("callbacks")
    if not isinstance(callbacks, dict) or not all(
        _callback_fits(callbacks.get(callback.state_key), callback)
        for callback in trainer.checkpoint_callbacks
    ):
        yield "callbacks"


def _loop_fits(loop: Any, trainer: L.Trainer, epochs: int, global_step: int) -> bool:
    """Its counters are there, and stand at the end of an epoch."""
    if not _has_shape(loop, trainer.fit_loop.state_dict()):
        return False
    epoch = loop["epoch_progress"]["current"]
    taken = loop["epoch_loop.manual_optimization.optim_step_progress"]["total"]
    batches = loop["epoch_loop.batch_progress"]
    return (
        epoch["ready"] == epoch["started"] == epoch["processed"] == epochs
        and epoch["completed"] in (epochs - 1, epochs)
        and set(taken.values()) == {global_step}
        and len(set(batches["current"].values())) == 1
        and len(set(batches["total"].values())) == 1
        and 0 < batches["current"]["ready"] <= batches["total"]["ready"]
        and batches.get("is_last_batch") is True
    )


def _has_shape(found: Any, wanted: Any) -> bool:
    """Whether it has all the names, and counts where counts are wanted."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            name in found and _has_shape(found[name], value) for name, value in wanted.items()
        )
    if type(wanted) is int:
        return type(found) is int and found >= 0
    return type(found) is type(wanted)


def _optimizer_fits(states: Any, model: Classifier, taken: int) -> bool:
    """One descent of these parameters with the settings that it has here after so many steps."""
    descent = model.configure_optimizers()
    model.prepare(descent, taken - 1)
    [settings] = descent.state_dict()["param_groups"]
    parameters = list(model.parameters())
    if len(states) != 1 or not isinstance(states[0], dict):
        return False
    groups, state = states[0].get("param_groups"), states[0].get("state")
    if not isinstance(groups, list) or len(groups) != 1 or not isinstance(groups[0], dict):
        return False
    if not isinstance(state, dict) or not settings.keys() >= groups[0].keys() >= {"params", "lr"}:
        return False
    if any(
        type(value) is not type(settings[n]) or value != settings[n]
        for n, value in groups[0].items()
    ):
        return False
    velocity = "momentum_buffer" if isinstance(descent, torch.optim.SGD) else "velocity"
    wanted = range(len(parameters))
    if not set(state) <= set(wanted) or (settings["momentum"] and set(state) != set(wanted)):
        return False
    return all(_velocity_fits(entry, velocity, parameters[i]) for i, entry in state.items())


def _velocity_fits(entry: Any, name: str, parameter: nn.Parameter) -> bool:
    if not isinstance(entry, dict) or set(entry) != {name}:
        return False
    v = entry[name]
    return v is None or (_is_dense(v) and v.shape == parameter.shape and v.dtype == parameter.dtype)


def _callback_fits(state: Any, callback: Any) -> bool:
    """The state of a ModelCheckpoint; of another there is nothing to say."""
    if not isinstance(callback, ModelCheckpoint):
        return True
    if not isinstance(state, dict) or not callback.state_dict().keys() <= state.keys():
        return False
    best = state["best_k_models"]
    scores = [state["best_model_score"], state["current_score"], state["kth_value"]]
    paths = [
        state[n] for n in ("best_model_path", "kth_best_model_path", "last_model_path", "dirpath")
    ]
    return (
        all(isinstance(path, str) and "\0" not in path for path in paths)
        and isinstance(best, dict)
        and all(isinstance(path, str) for path in best)
        and all(score is None or _is_number(score) for score in scores)
        and all(map(_is_number, best.values()))
    )


def _is_dense(x: Any) -> bool:
    return isinstance(x, Tensor) and x.layout == torch.strided and x.device.type != "meta"


def _is_number(x: Any) -> bool:
    return _is_dense(x) and x.numel() == 1 and x.is_floating_point()
