"""Tables and lines for people: coloured in a terminal, plain and never cut off in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from compare.blame.finding import CLEAN, INHERITED, ORIGINATES
from compare.checks.check import AGREES
from compare.comparison.report import Report, count
from compare.verdict.judge import BUG, CLOSER, EXACT, NO_TRUTH, ROUNDING, SUBGRADIENT

# Wide enough for any table of ours. A pipe has no width, and rich would assume 80.
_PIPE = 200
_STYLES = {
    EXACT: "green",
    ROUNDING: "green",
    CLOSER: "cyan",
    SUBGRADIENT: "cyan",
    NO_TRUTH: "red",
    BUG: "bold red",
    CLEAN: "green",
    INHERITED: "yellow",
    ORIGINATES: "bold red",
}


def stdout() -> Console:
    """Where tables and results go."""
    return Console(width=None if sys.stdout.isatty() else _PIPE, highlight=False)


def say(console: Console, line: str, style: str = "") -> None:
    """One line without markup, broken between words in a terminal and nowhere in a pipe."""
    console.print(Text(line, style=style), soft_wrap=not console.is_terminal)


@contextmanager
def progress(console: Console, what: str, steps: int) -> Iterator[Callable[[], None]]:
    """A bar with the time that is left, in a terminal only; gives the function that moves it."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=steps)
        yield lambda: bar.advance(task)


def table(report: Report) -> Table:
    """The rows in backward order."""
    view = Table()
    for column in ("name", "kind", "exact"):
        view.add_column(column)
    for column in ("max abs", "max rel", "ULP"):
        view.add_column(column, justify="right", no_wrap=True)
    view.add_column("verdict")
    for row in report.rows:
        numbers = (
            _short(row.max_abs),
            _short(row.max_rel),
            "–" if row.max_ulp is None else count(row.max_ulp),
        )
        view.add_row(
            row.name,
            row.kind,
            "yes" if row.exact else "no",
            *numbers,
            Text(row.verdict, style=_STYLES[row.verdict]),
        )
    return view


def layer_table(report: Report) -> Table:
    """The layers, each judged by itself, and what is wrong with those at fault."""
    view = Table()
    for column in ("layer", "by itself", "gradient", "what is wrong"):
        view.add_column(column)
    for layer in report.layers:
        verdict = Text(layer.verdict, style=_STYLES[layer.verdict])
        if not layer.faults:
            view.add_row(Text(layer.label), verdict, "", Text(layer.remark))
        for i, fault in enumerate(layer.faults):
            first = (Text(layer.label), verdict) if i == 0 else ("", "")
            view.add_row(*first, fault.gradient, Text(fault.diagnosis.sentence))
    return view


def check_table(report: Report) -> Table:
    """What was asked in addition."""
    view = Table()
    for column in ("also", "verdict", "found"):
        view.add_column(column)
    for check in report.checks:
        style = "bold red" if not check.passed else "green" if check.verdict == AGREES else "yellow"
        view.add_row(check.name, Text(check.verdict, style=style), Text(check.detail))
    return view


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.2e}" if value else "0"
