"""Peak memory over sequence length and vocabulary, and where autograd no longer fits."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from compare.command import console
from compare.command.writing import write_picture
from compare.speed.in_turn import Candidate, peak_bytes
from compare.speed.pays_cases import Dimensions, InThreeWays, attention, classifier, ways
from compare.speed.pays_step import step_of
from compare.speed.setting import Setting

LENGTHS = (512, 1024, 2048, 4096, 8192)
VOCABULARIES = (4_000, 8_000, 16_000, 32_000, 64_000)
#: Samples of the second: with more of them autograd needs more, by hand does not.
TOKENS = 2048


@dataclass(frozen=True)
class Curve:
    """What one way needs, of the sizes at which it was measured."""

    sizes: tuple[int, ...]
    peak_bytes: tuple[int, ...]

    def reaches(self, limit: int) -> float | None:
        """The size with a peak of ``limit``, on a power law through the last two points beside it.

        None where it is smaller than all that was measured.
        """
        points = [*zip(self.sizes, self.peak_bytes, strict=True)]
        if limit < points[0][1] or len(points) < 2:
            return None
        above = next((i for i, (_, peak) in enumerate(points) if peak > limit), len(points) - 1)
        (x, y), (X, Y) = points[above - 1 : above + 1]
        return x * (limit / y) ** (math.log(X / x) / math.log(Y / y))


@dataclass(frozen=True)
class Sweep:
    """The curves by the quantity that is varied and the way, and the memory that is given."""

    memory_bytes: int
    length: dict[str, Curve]
    vocabulary: dict[str, Curve]


def sweep(device: torch.device, memory: int, out: Any) -> Sweep:
    """Each way's peak at each size, one step each, while it is likely to fit into the memory."""

    def at_length(L: int) -> InThreeWays:
        return attention(replace(Dimensions(), length=L), device, "causal")

    def at_vocabulary(C: int) -> InThreeWays:
        return classifier(replace(Dimensions(), tokens=TOKENS, classes=C), device)

    with console.progress(out, "sizes", len(LENGTHS) + len(VOCABULARIES)) as advance:
        length = _curves(at_length, LENGTHS, memory, Setting((), 1, device=device), advance)
        setting = Setting((), 1, device=device)
        vocabulary = _curves(at_vocabulary, VOCABULARIES, memory, setting, advance)
    return Sweep(memory, length, vocabulary)


def _curves(
    case_at: Callable[[int], InThreeWays],
    sizes: Sequence[int],
    memory: int,
    setting: Setting,
    advance: Callable[[], None],
) -> dict[str, Curve]:
    found: dict[str, Curve] = {}
    for size in sizes:
        case = case_at(size)
        for name, module in ways(case).items():
            so_far = found.get(name, Curve((), ()))
            if _likely(so_far, size) > memory:
                continue
            peak = peak_bytes(Candidate(step_of(module, case.inputs)), setting)
            found[name] = Curve((*so_far.sizes, size), (*so_far.peak_bytes, peak))
        advance()
    return found


def _likely(curve: Curve, size: int) -> float:
    """Its peak at the next size, as it has grown so far."""
    if len(curve.sizes) < 2:
        return 0
    (x, X), (y, Y) = curve.sizes[-2:], curve.peak_bytes[-2:]
    return Y * (size / X) ** (math.log(Y / y) / math.log(X / x))


def rounded(size: float) -> str:
    """To two digits: it lies between sizes that were measured, or beyond them."""
    return f"{float(f'{size:.2g}'):,.0f}"


def say(sweep: Sweep, out: Any) -> None:
    """Where each way reaches the memory that is given."""
    for what, curves in (("length", sweep.length), ("vocabulary", sweep.vocabulary)):
        for name, curve in curves.items():
            reached = curve.reaches(sweep.memory_bytes)
            until = "less than was tried" if reached is None else f"about {rounded(reached)}"
            console.say(
                out, f"{what}: {name} fits into {sweep.memory_bytes / 2**30:g} GiB up to {until}"
            )


def draw(sweep: Sweep, path: Path) -> None:
    """Two panels, the memory that is given being a line across.

    Raises:
        NotWrittenError: The file cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4), sharey=True, layout="constrained")
    panels = (
        (sweep.length, "sequence length, causal attention of 8 heads"),
        (sweep.vocabulary, f"vocabulary, cross entropy of {TOKENS:,} tokens"),
    )
    colours = ("#1d2126", "#b8642b", "#1f6f8b")
    for axis, (curves, label) in zip(axes, panels, strict=True):
        for (name, curve), colour in zip(curves.items(), colours, strict=True):
            mega = [peak / 1e6 for peak in curve.peak_bytes]
            axis.plot(curve.sizes, mega, color=colour, marker="o", markersize=3.5, label=name)
        limit, autograd = sweep.memory_bytes, curves["autograd"]
        axis.axhline(limit / 1e6, color="#9aa3ad", linestyle="--", linewidth=1)
        axis.annotate(
            f"{limit / 2**30:g} GiB",
            (0.01, limit / 1e6),
            xycoords=axis.get_yaxis_transform(),
            xytext=(0, 4),
            textcoords="offset points",
            color="#5b6570",
        )
        end = autograd.reaches(limit)
        if end is not None:
            last = autograd.sizes[-1], autograd.peak_bytes[-1] / 1e6
            if end > last[0]:
                axis.plot((last[0], end), (last[1], limit / 1e6), ":", color=colours[0])
            axis.plot(end, limit / 1e6, "x", color=colours[0])
            axis.annotate(
                f"autograd no longer fits\nfrom about {rounded(end)} on",
                (end, limit / 1e6),
                xytext=(-8, 6),
                textcoords="offset points",
                ha="right",
            )
        axis.set(xscale="log", yscale="log", xlabel=label)
        ticks = [size for curve in curves.values() for size in curve.sizes]
        axis.set_xticks(sorted(set(ticks)), [f"{size:,}" for size in sorted(set(ticks))])
        axis.minorticks_off()
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, loc="lower right")
    axes[0].set_ylabel("peak memory, MB")
    axes[0].set_ylim(top=sweep.memory_bytes / 1e6 * 4)
    try:
        write_picture(path, figure, "--plot")
    finally:
        plt.close(figure)
