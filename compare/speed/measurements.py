"""What can be measured, after the gradients were compared: steps, a sweep, whole epochs."""

import argparse
from typing import Any

from compare.command import console
from compare.command.device import device_named
from compare.command.writing import write_json
from compare.speed import tables
from compare.speed.candidates import candidates, matrix_products
from compare.speed.gate import wrong_gradients
from compare.speed.in_turn import Timing, in_turn, rounds_within, turn_of
from compare.speed.pays import pays
from compare.speed.setting import Setting, where
from compare.speed.sweep import draw, sweep
from compare.trial.errors import ComparisonError
from torch_models import extras


def measure(options: argparse.Namespace) -> bool:
    """The measurement that the options ask for; False where a gradient is wrong."""
    if options.plot:
        extras.need("matplotlib", "--plot")
    if options.loop:
        extras.need("lightning", "--loop")
    out = console.stdout()
    sizes = (784, *[options.hidden] * options.depth, 10)
    options.device = device_named(options.device)
    if options.device.type not in ("cpu", "cuda"):  # nothing would wait for it
        raise ComparisonError(f"--device {options.device} cannot be timed: expected cpu or cuda")
    if options.pays:
        return pays(options, out)
    setting = Setting(
        sizes,
        options.batch_size,
        options.activation,
        device=options.device,
        network=options.network,
    )
    wrong = wrong_gradients(setting)
    if wrong:
        for line in wrong:
            console.say(out, line, "bold red")
        console.say(out, "FAILED: no speed is measured of a wrong gradient", "bold red")
        return False
    if options.sweep:
        return _sweep(options, out)
    if options.loop:
        return _loop(options, out)
    timings, limit = _steps(setting, options, out)
    console.say(out, f"{setting}, {options.rounds} rounds", "bold")
    _show(out, setting, timings, limit)
    _write(options, setting, timings, limit)
    return True


def _steps(
    setting: Setting, options: argparse.Namespace, out: Any
) -> tuple[dict[str, Timing], float | None]:
    """The timings, and of the perceptron the limit in microseconds."""
    found = candidates(setting, compiled=not options.eager)
    if setting.network == "mlp":
        found = {"limit": matrix_products(setting), **found}
    turns = {}
    with console.progress(out, "warming up", len(found)) as advance:
        for name, candidate in found.items():
            turns[name] = turn_of(candidate, setting)
            advance()
    options.rounds = options.rounds or rounds_within(turns.values())
    with console.progress(out, "rounds", options.rounds) as advance:
        timings = in_turn(found, setting, options.rounds, advance, turns)
    limit = timings.pop("limit").median_us if "limit" in timings else None
    return timings, limit


def _show(out: Any, setting: Setting, timings: dict[str, Timing], limit: float | None) -> None:
    out.print(tables.of_steps(timings, limit))
    if limit:
        console.say(out, f"limit: {limit:,.0f} µs, the step's matrix products alone")
    out.print(tables.of_parts(timings))
    if setting.network == "mlp":
        console.say(
            out,
            "explicit computes the weight gradients in its update, directly in the velocities; "
            "like NumPy and JAX it does not compute the loss, which no gradient needs.",
        )
    console.say(out, "peak: what a step allocates on top of what the previous step left")
    if setting.on_gpu:
        console.say(out, "Each part waits for the device, so they add up to more than the step.")
    out.print(tables.of_memory(timings["autograd"], timings["manual"]))


def _write(
    options: argparse.Namespace, setting: Setting, timings: dict[str, Timing], limit: float | None
) -> None:
    if options.json:
        autograd = timings["autograd"].median_us
        content = {
            "setting": str(setting),
            "rounds": options.rounds,
            "candidates": {
                name: {
                    "median_us": timing.median_us,
                    "quartiles_us": list(timing.quartiles_us),
                    "ratio_to_autograd": timing.median_us / autograd,
                    "ratio_to_limit": limit and timing.median_us / limit,
                    "peak_bytes": timing.peak_bytes,
                    "saved_bytes": timing.saved_bytes,
                    "saved_bytes_by_layer": timing.saved_by_layer,
                    "phases_us": timing.phases_us,
                }
                for name, timing in timings.items()
            },
            "limit_us": limit,
        }
        write_json(options.json, content)


def _sweep(options: argparse.Namespace, out: Any) -> bool:
    points = sweep(options, out)
    title = (
        f"time of a step / autograd's; otherwise batch {options.batch_size}, width "
        f"{options.hidden}, depth {options.depth}; {options.activation}, {where(options.device)}, "
        f"{options.rounds} rounds"
    )
    console.say(out, title, "bold")
    out.print(tables.of_sweep(points))
    if options.json:
        write_json(options.json, {"points": [vars(point) for point in points]})
    if options.plot:
        draw(points, options.plot)
    return True


def _loop(options: argparse.Namespace, out: Any) -> bool:
    from compare.speed import loop  # brings Lightning

    data = loop.images(*loop.SIZES)
    with console.progress(out, "rounds", options.rounds) as advance:
        seconds = loop.epochs(data, options.rounds, advance)
    console.say(out, f"784-160-10, batch of 128, {loop.SIZES[0]:,} images, one epoch", "bold")
    out.print(tables.of_epochs(seconds))
    if options.json:
        write_json(options.json, {"seconds": seconds})
    return True
