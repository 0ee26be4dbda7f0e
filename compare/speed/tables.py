"""What was measured, as tables."""

import statistics
from collections.abc import Mapping, Sequence

from rich.table import Table

from compare.speed.in_turn import Timing

_PHASES = ("forward", "backward", "update")


def of_steps(timings: Mapping[str, Timing], limit: float) -> Table:
    """A row for each candidate; ``limit`` in microseconds."""
    view = _table("candidate", "µs a step", "quartiles", "/ autograd", "/ limit")
    autograd = timings["autograd"].median_us
    for name, timing in timings.items():
        low, high = timing.quartiles_us
        view.add_row(
            name,
            f"{timing.median_us:,.0f}",
            f"{low:,.0f} – {high:,.0f}",
            f"{timing.median_us / autograd:.2f}",
            f"{timing.median_us / limit:.2f}",
        )
    return view


def of_parts(timings: Mapping[str, Timing]) -> Table:
    """The parts of a step in microseconds, and its memory, of those whose parts can be told."""
    view = _table("candidate", *(f"{phase}, µs" for phase in _PHASES), "saved", "peak")
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
    totals = [
        {**of.saved_by_layer, "all": sum(of.saved_by_layer.values())} for of in (autograd, manual)
    ]
    for layer, theirs in totals[0].items():
        ours = totals[1][layer]
        ratio = f"{ours / theirs:.2f}" if theirs else "–" if not ours else "∞"
        view.add_row(layer, _bytes(theirs), _bytes(ours), ratio)
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
