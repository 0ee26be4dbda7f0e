"""What ``python -m compare.notes`` does: tables, JSON file, plots and conclusion."""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from compare.command import console
from compare.command.writing import NotWrittenError, write_json
from compare.notes import approximation, systems
from compare.notes.claim import Claim
from compare.notes.curve import DEFAULT, parse
from compare.notes.titles import NOTES
from compare.trial.case import ComparisonError
from torch_models import extras

AT_WIDTH, VERDICT_WIDTH = 7, 10
STYLES = {
    "agrees": "green",
    "misprint": "bold yellow",
    "unreadable": "cyan",
    "differs": "bold white on red",
}


def recompute(options: argparse.Namespace) -> bool:
    """Do what the options say; returns whether every claim is what it is expected to be."""
    if options.plots or options.log_dir:
        extras.need("matplotlib", "--plots" if options.plots else "--log-dir")
    extras.need("sklearn")  # for system 9: refused now, not below the tables of eight others
    started = time.perf_counter()
    curve = DEFAULT if options.curve is None else options.curve
    try:
        parse(curve)  # refused now, not after ten seconds
    except ValueError as error:
        raise ComparisonError(str(error)) from None
    out = console.stdout()
    out.print(note_table())
    found: list[tuple[int, Claim]] = []
    with console.progress(out, "systems", len(systems.SYSTEMS)) as advance:
        for system, (title, _) in systems.SYSTEMS.items():
            claims = systems.claims_of(system)
            found += [(system, claim) for claim in claims]
            console.say(out, "")
            console.say(out, f"{system}  {title}", "bold")
            out.print(table(claims, out))
            advance()
    if options.curve is not None:
        console.say(out, f"largest error of one hidden layer on {curve}", "bold")
        for width, largest in zip(approximation.WIDTHS, approximation.errors(curve), strict=True):
            console.say(out, f"{width:5d} neurons  {largest:.2e}")
    if options.json:
        passed = all(claim.passed for _, claim in found)
        write_json(options.json, {"passed": passed, "rows": [_as_json(*row) for row in found]})
    if options.plots or options.log_dir:
        _draw(options, curve, out)
    return _conclude(found, out, time.perf_counter() - started)


def note_table() -> Table:
    """The notes by number, for who knows them by their titles."""
    view = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("note", "title", "about"):
        view.add_column(column)
    for number, note in NOTES.items():
        view.add_row(number, note.title, note.about)
    return view


def table(claims: Sequence[Claim], out: Console) -> Table:
    """The rows; the code stands under what it computed, for want of room."""
    view = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    # Fixed widths keep the tables of all systems in line with each other; 12 is what rich puts
    # between five columns.
    room = out.width - AT_WIDTH - VERDICT_WIDTH - 12
    widths = {"note": AT_WIDTH, "claim": int(room * 0.3), "printed": int(room * 0.23)}
    widths |= {"computed": int(room * 0.47), "verdict": VERDICT_WIDTH}
    for name, width in widths.items():
        view.add_column(name, overflow="fold", width=width)
    for claim in claims:
        computed = console.below(claim.computed, claim.source)
        verdict = console.cell(claim.verdict, STYLES[claim.verdict])
        console.row(view, claim.at, claim.says, claim.printed, computed, verdict)
    return view


def _as_json(system: int, claim: Claim) -> dict[str, Any]:
    note, _, line = claim.at.partition(":")
    row = {"system": system, "note": note, "line": int(line) if line else None}
    row |= {"claim": claim.says, "printed": claim.printed, "computed": claim.computed}
    return row | {"verdict": claim.verdict, "code": claim.source, "passed": claim.passed}


def _draw(options: argparse.Namespace, curve: str, out: Console) -> None:
    """The plots, into the folder that was asked for or a passing one."""
    from compare.notes.plots import draw_all

    passing = tempfile.TemporaryDirectory
    try:
        with nullcontext(options.plots) if options.plots else passing() as folder:
            paths = draw_all(Path(folder), curve)
            for path in paths if options.plots else ():
                console.say(out, f"drawn: {path}")
            if options.log_dir:
                from compare.notes.in_tensorboard import show

                run = show(paths, options.log_dir)
                console.say(out, f"plots in {run}: tensorboard --logdir {options.log_dir}")
    except OSError as error:
        option = "--log-dir" if options.log_dir else "--plots"
        raise NotWrittenError(f"{option}: {error.filename} {error.strerror}") from error


def _conclude(found: list[tuple[int, Claim]], out: Console, seconds: float) -> bool:
    counts = Counter(claim.verdict for _, claim in found)
    total = (
        f"{len(found)} rows over {len({system for system, _ in found})} systems: "
        f"{counts['agrees']} agree, {counts['misprint']} misprints, "
        f"{counts['unreadable']} unreadable; {seconds:.0f} s"
    )
    failures = [(system, claim) for system, claim in found if not claim.passed]
    lines = [
        f"system {system}, {claim.at} {claim.says}: {claim.verdict}: {claim.computed}"
        for system, claim in failures
    ]
    console.say_first(out, lines, "--json FILE lists them all", "red")
    verdict = f"FAILED: {len(failures)} of" if failures else "passed:"
    console.say(out, f"{verdict} {total}", "bold red" if failures else "bold green")
    return not failures
