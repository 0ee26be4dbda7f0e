"""Where a hand-written backward pays: the ratios over batch, width and depth."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import manual_backprop
from compare.command import console
from compare.command.writing import write_picture
from compare.speed.candidates import by_functions, explicit, explicit_recorded, matrix_products
from compare.speed.in_turn import in_turn
from compare.speed.setting import Setting

BATCHES = (1, 8, 32, 128, 512, 2048, 8192)
WIDTHS = (32, 128, 512, 1024, 2048, 4096)
DEPTHS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Point:
    """One setting of the sweep and each candidate's ratio to autograd."""

    varied: str
    value: int
    ratios: dict[str, float]


def settings(options: argparse.Namespace) -> Iterator[tuple[str, int, Setting]]:
    """What is varied, its value, the setting."""
    width, depth, batch = options.hidden, options.depth, options.batch_size
    for_all = {"activation": options.activation, "batches": 4, "device": options.device}
    for value in BATCHES:
        yield "batch", value, Setting((784, *[width] * depth, 10), value, **for_all)
    for value in WIDTHS:
        yield "width", value, Setting((784, *[value] * depth, 10), batch, **for_all)
    for value in DEPTHS:
        yield "depth", value, Setting((784, *[width] * value, 10), batch, **for_all)


def sweep(options: argparse.Namespace, out: Any) -> list[Point]:
    """All of them, each measured in turn."""
    from torch import nn

    every = list(settings(options))
    points = []
    with console.progress(out, "settings", len(every)) as advance:
        for varied, value, setting in every:
            found = {
                "autograd": by_functions(setting, nn),
                "manual": by_functions(setting, manual_backprop),
                "explicit": explicit_recorded(setting) if setting.on_gpu else explicit(setting),
                "limit": matrix_products(setting),
            }
            timings = in_turn(found, setting, options.rounds, lambda: None)
            autograd = timings["autograd"].median_us
            ratios = {n: t.median_us / autograd for n, t in timings.items() if n != "autograd"}
            points.append(Point(varied, value, ratios))
            advance()
    return points


def draw(points: Sequence[Point], path: Path) -> None:
    """Three panels, autograd being the line at 1.

    Raises:
        NotWrittenError: The file cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.4), sharey=True, layout="constrained")
    colours = {"manual": "#b8642b", "explicit": "#1f6f8b", "limit": "#9aa3ad"}
    for axis, varied in zip(axes, ("batch", "width", "depth"), strict=True):
        here = [point for point in points if point.varied == varied]
        for name, colour in colours.items():
            xs, ys = [p.value for p in here], [p.ratios[name] for p in here]
            style = "--" if name == "limit" else "-"
            axis.plot(xs, ys, style, color=colour, marker="o", markersize=3.5, label=name)
        axis.axhline(1, color="#1d2126", linewidth=1)
        axis.set_xscale("log", base=2)
        axis.set_xlabel(varied)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("time of a step / autograd's")
    axes[0].set_ylim(0)
    axes[-1].legend(frameon=False)
    try:
        write_picture(path, figure, "--plot")
    finally:
        plt.close(figure)
