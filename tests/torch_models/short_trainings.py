"""Short trainings, and what they leave."""

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from torch_models import train

OPTIONS = ["--dataset", "digits", "--hidden", "12", "--epochs", "2", "--accelerator", "cpu"]


def train_digits(folder, *arguments):
    """The exit code of a training on the digits below this folder."""
    return train.main(["--dataset", "digits", "--log-dir", str(folder), *map(str, arguments)])


def outcome(folder, *options, own="mlp"):
    """What a training leaves: its checkpoint, and its curves as text."""
    usual = OPTIONS if own == "mlp" else ["--accelerator", "cpu", "--dataset", "digits"]
    assert train.main([*usual, *options, "--log-dir", str(folder)]) == 0
    [run] = folder.glob("*/version_0")
    events = EventAccumulator(str(run))
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith(("loss/", "accuracy/"))]
    curves = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in sorted(tags)}
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True), str(curves)
