"""``--pays``: where a hand-written backward pays, because it keeps less than autograd does.

Peak memory is the sum of what PyTorch's allocator has given and not got back, at its highest: on
the CPU from the memory events of PyTorch's profiler, on a GPU from the allocator's own statistics.
It has no noise, where the memory of the process depends on what the C library gives back when.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.table import Table

from compare.command import console
from compare.command.writing import write_json
from compare.comparison.pair import compare_gradients
from compare.speed import pays_plot
from compare.speed.in_turn import Candidate, peak_bytes
from compare.speed.pays_cases import SMALL, Dimensions, InThreeWays, cases, ways
from compare.speed.pays_step import saved_bytes, step_of
from compare.speed.setting import Setting, where

SIZES = Dimensions()


@dataclass(frozen=True)
class Cost:
    """Of a forward and a backward."""

    seconds: float
    saved_bytes: int
    peak_bytes: int

    def ratios(self, other: "Cost") -> dict[str, float | None]:
        """Of time, peak and saved to another's; None for what it keeps where nobody sees it."""
        return {
            "time_ratio": self.seconds / other.seconds,
            "peak_ratio": self.peak_bytes / other.peak_bytes,
            "saved_ratio": self.saved_bytes / other.saved_bytes if other.saved_bytes else None,
        }


def pays(options: argparse.Namespace, out: Any) -> bool:
    """Judge the gradients, then measure; False where one is wrong."""
    device = options.device
    wrong = wrong_gradients(device)
    if wrong:
        for line in wrong:
            console.say(out, line, "bold red")
        console.say(out, "FAILED: no speed is measured of a wrong gradient", "bold red")
        return False
    made = cases(SIZES, device)
    found: dict[str, tuple[InThreeWays, dict[str, Cost]]] = {}
    with console.progress(out, "layers, in rounds", len(made) * options.rounds) as advance:
        for name, make in made.items():
            found[name] = costs(make(), Setting((), 1, device=device), options.rounds, advance)
    console.say(out, f"float32, {where(device)}, medians of {options.rounds} rounds", "bold")
    out.print(table(found))
    console.say(out, "time: forward and backward; kept: saved for the backward, without weights;")
    console.say(out, "peak: the most memory allocated at once, including the gradients.")
    sweep = None
    if options.plot:
        sweep = pays_plot.sweep(device, int(options.memory * 2**30), out)
        pays_plot.draw(sweep, options.plot)
        pays_plot.say(sweep, out)
    if options.json:
        content = {"setting": where(device), "pays": {n: as_json(*of) for n, of in found.items()}}
        write_json(options.json, content | ({"sweep": asdict(sweep)} if sweep else {}))
    return True


def wrong_gradients(device: torch.device) -> list[str]:
    """A line for each layer whose gradients are wrong, at sizes that a judge can take."""
    wrong = []
    for name, make in cases(SMALL, device).items():
        case = make()
        report = compare_gradients(case.manual, case.autograd, *case.inputs, layers=False)
        wrong += [] if report.passed else [f"{name}: {report.summary()}"]
    return wrong


def costs(
    case: InThreeWays, setting: Setting, rounds: int, advance: Callable[[], None]
) -> tuple[InThreeWays, dict[str, Cost]]:
    """The case, and what each way costs, measured in turn after a step of each to warm up."""
    steps = {name: step_of(module, case.inputs) for name, module in ways(case).items()}
    peaks = {name: peak_bytes(Candidate(step), setting) for name, step in steps.items()}
    seen: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            setting.wait()
            start = time.perf_counter()
            step(0)
            setting.wait()
            seen[name].append(time.perf_counter() - start)
        advance()
    return case, {
        name: Cost(statistics.median(seen[name]), saved_bytes(module, case.inputs), peaks[name])
        for name, module in ways(case).items()
    }


def table(found: Mapping[str, tuple[InThreeWays, dict[str, Cost]]]) -> Table:
    """For each layer what it costs by hand, and its ratios to the other two."""
    view = console.table("layer", "time", "kept", "peak", numbers=("time", "kept", "peak"))
    for case, costs in found.values():
        own = costs["by hand"]
        size = [f"{number / 1e6:,.1f} MB" for number in (own.saved_bytes, own.peak_bytes)]
        console.row(view, case.title, f"{own.seconds:,.3f} s", *size)
        for name, cost in costs.items():
            if name != "by hand":
                of = own.ratios(cost)
                ratios = (of[f"{what}_ratio"] for what in ("time", "saved", "peak"))
                cells = ("–" if ratio is None else f"{ratio:.2f}" for ratio in ratios)
                console.row(view, f"  / {name}", *cells)
        view.add_section()
    return view


def as_json(case: InThreeWays, costs: Mapping[str, Cost]) -> dict[str, Any]:
    """The ratios to autograd, those to PyTorch's best, and what they are ratios of."""
    own = costs["by hand"]
    return {
        **own.ratios(costs["autograd"]),
        "layer": case.title,
        "to_best": {"name": case.best_name, **own.ratios(costs[case.best_name])},
        "costs": {name: asdict(cost) for name, cost in costs.items()},
    }
