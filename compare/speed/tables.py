"""What was measured, as tables."""

import statistics
from collections.abc import Mapping, Sequence

from rich.table import Table

from compare.speed.in_turn import Timing
from compare.speed.sweep import Point

_PHASES = ("forward", "backward", "update")


def of_steps(timings: Mapping[str, Timing], limit: float | None) -> Table:
    """A row for each candidate; ``limit`` in microseconds, if it is known."""
    of_limit = ["/ limit"] if limit else []
    view = _table("candidate", "µs a step", "quartiles", "/ autograd", *of_limit)
    autograd = timings["autograd"].median_us
    for name, timing in timings.items():
        low, high = timing.quartiles_us
        view.add_row(
            name,
            f"{timing.median_us:,.0f}",
            f"{low:,.0f} – {high:,.0f}",
            f"{timing.median_us / autograd:.2f}",
            *([f"{timing.median_us / limit:.2f}"] if limit else []),
        )
    return view


def of_parts(timings: Mapping[str, Timing]) -> Table:
    """The parts of a step in microseconds, and its memory, of those whose parts can be told."""
    view = _table("candidate", *(f"{phase} µs" for phase in _PHASES), "saved", "peak")
    for name, timing in timings.items():
        if timing.phases_us or timing.saved_bytes or timing.peak_bytes:
            view.add_row(
                name,
                *(f"{timing.phases_us[p]:,.0f}" if timing.phases_us else "–" for p in _PHASES),
                _bytes(timing.saved_bytes),
                _bytes(timing.peak_bytes),
            )
    return view


def of_memory(autograd: Timing, manual: Timing) -> Table:
    """What each layer keeps for the backward."""
    view = _table("layer", "autograd", "manual", "manual / autograd")
    view.title, view.title_justify = "kept for the backward", "left"
    kept = autograd.saved_by_layer, manual.saved_by_layer
    rows = {layer: [of.get(layer, 0) for of in kept] for of in kept for layer in of}
    rows["all"] = [sum(of.values()) for of in kept]
    for layer, (theirs, ours) in rows.items():
        ratio = f"{ours / theirs:.2f}" if theirs else "–" if not ours else "∞"
        view.add_row(layer, _bytes(theirs), _bytes(ours), ratio)
    return view


def of_sweep(points: Sequence[Point]) -> Table:
    """A row for each setting: the ratios to autograd."""
    view = _table("setting", *points[0].ratios)
    for point, following in zip(points, [*points[1:], None], strict=True):
        ratios = (f"{ratio:.2f}" for ratio in point.ratios.values())
        last = following is None or following.varied != point.varied
        view.add_row(f"{point.varied} {point.value}", *ratios, end_section=last)
    return view


def of_epochs(seconds: Mapping[str, Sequence[float]]) -> Table:
    """A row for each loop, against the bare loop of the same way and the tutorial's."""
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    view = _table("epoch of", "seconds", "/ bare loop", "/ tutorial")
    for name, of in medians.items():
        bare = medians.get(f"bare loop, {name.split(', ')[-1]}")
        ratio = f"{of / bare:.2f}" if bare else "–"
        view.add_row(name, f"{of:.2f}", ratio, f"{of / medians['tutorial']:.3f}")
    return view


def _table(first: str, *columns: str) -> Table:
    view = Table()
    view.add_column(first, no_wrap=True)
    for column in columns:
        view.add_column(column, justify="right")
    return view


def _bytes(number: int | None) -> str:
    return "–" if number is None else f"{number / 1024:,.0f} kB"
