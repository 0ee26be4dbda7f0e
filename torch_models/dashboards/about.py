"""A run's text pages: what it is and the command that made it, its result, and whom it equals."""

import math
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.core.saving import load_hparams_from_yaml
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from torch_models import threads
from torch_models.checkpoints import LAST
from torch_models.curves import TAGS, Curve, curves
from torch_models.resume import CheckpointError, read

THIS, OTHERS = "about/this run", "about/this run against the others"
#: Runs that a run is held against, the newest.
MOST = 10


@rank_zero_only
def before(logger: TensorBoardLogger, lines: list[str], command: str) -> None:
    """Write what a run is.

    Args:
        logger: of the run.
        lines: the run in words.
        command: that started it.
    """
    machine = f"PyTorch {torch.__version__}, {threads.number()}"
    words = "\n\n".join([*lines, machine, f"    {command}"])
    logger.experiment.add_text(THIS, words, 0)


@rank_zero_only
def after(logger: TensorBoardLogger, tested: dict[str, float], step: int) -> None:
    """Write a run's result, and how its curves lie to those of runs with the same settings.

    Args:
        logger: of the run.
        tested: ``loss/test`` and ``accuracy/test``.
        step: of the pages.
    """
    writer, run = logger.experiment, Path(logger.log_dir)
    writer.flush()
    ours = curves(run)
    writer.add_text(THIS, result(ours, tested), step)
    writer.add_text(OTHERS, against(run, ours, with_the_same_settings(run)), step)


def result(ours: dict[str, Curve], tested: dict[str, float]) -> str:
    """The last figures as a table in Markdown."""
    last = {tag: values[-1] for tag, (_, values) in ours.items()} | tested
    rows = [
        f"| {name} | {last[f'loss/{stage}']:.4f} | {last[f'accuracy/{stage}']:.4f} |"
        for stage, name in (("train", "training"), ("val", "validation"), ("test", "test"))
        if f"loss/{stage}" in last
    ]
    return "\n".join(["| | loss | accuracy |", "|---|---|---|", *rows])


def against(run: Path, ours: dict[str, Curve], others: list[Path]) -> str:
    """In Markdown: which runs this one equals, whose curves then hide its own, and the rest."""
    if not others:
        return "No other run with these settings had ended when this one did."
    rows, same = [], []
    for other in others:
        theirs = curves(other)
        apart = {tag: largest_difference(ours[tag], theirs[tag]) for tag in TAGS}
        if not any(apart.values()) and have_the_same_weights(run, other):
            same.append(name_of(other))
        else:
            told = " | ".join(
                f"{max(apart[f'{what}/{stage}'] for stage in ('train', 'val')):.2g}"
                for what in ("loss", "accuracy")
            )
            rows.append(f"| {name_of(other)} | {told} |")
    table = "\n".join(["| run | loss differs by | accuracy differs by |", "|---|---|---|", *rows])
    return "\n\n".join([*([_hidden(same)] if same else []), *([table] if rows else [])])


def _hidden(same: list[str]) -> str:
    return (
        f"Bit-for-bit identical in all curves and in the final weights: **{', '.join(same)}**. In "
        f"every chart they coincide with this run, and only the curve drawn last is visible."
    )


def name_of(run: Path) -> str:
    """As TensorBoard calls it: ``manual/version_0``."""
    return f"{run.parent.name}/{run.name}"


def with_the_same_settings(run: Path) -> list[Path]:
    """The newest finished runs in the same log folder that differ in nothing but the way.

    Newest first, ``MOST`` of them.
    """
    wanted = _settings(run)
    found = [
        other.parent
        for other in run.parent.parent.glob("*/version_*/hparams.yaml")
        if other.parent != run and _settings(other.parent) == wanted
    ]
    found.sort(key=lambda other: other.stat().st_mtime_ns, reverse=True)
    return [other for other in found if set(TAGS) <= set(curves(other))][:MOST]


def _settings(run: Path) -> dict[str, Any]:
    return {**load_hparams_from_yaml(run / "hparams.yaml"), "backprop": ""}


def largest_difference(ours: Curve, theirs: Curve) -> float:
    """Between two curves of as many epochs; infinite where one is longer."""
    (_, a), (_, b) = ours, theirs
    if len(a) != len(b):
        return math.inf
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def have_the_same_weights(run: Path, other: Path) -> bool:
    """Whether two runs ended at the same bits."""
    try:
        ours, theirs = (read(folder / LAST)["state_dict"] for folder in (run, other))
    except CheckpointError:
        return False
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours)
