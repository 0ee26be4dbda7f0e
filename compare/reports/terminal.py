"""A report in a terminal: tables, and what was found in words."""

from rich.table import Table
from rich.text import Text

from compare.blame.finding import CLEAN, INHERITED, ORIGINATES, SURROGATE
from compare.checks.check import AGREES
from compare.command import console
from compare.comparison import where
from compare.comparison.report import Report, count, describe, tell, tell_less_accurate
from compare.verdict.judge import (
    BEHIND_SURROGATE,
    BUG,
    CLOSER,
    EXACT,
    LESS_ACCURATE,
    NO_TRUTH,
    ROUNDING,
    SUBGRADIENT,
)

_STYLES = {
    EXACT: "green",
    ROUNDING: "green",
    CLOSER: "cyan",
    SUBGRADIENT: "cyan",
    BEHIND_SURROGATE: "yellow",
    LESS_ACCURATE: "yellow",
    NO_TRUTH: "red",
    BUG: "bold red",
    CLEAN: "green",
    INHERITED: "yellow",
    SURROGATE: "yellow",
    ORIGINATES: "bold red",
}


def show(report: Report) -> None:
    """On stdout."""
    out = console.stdout()
    console.say(out, report.title, "bold")
    out.print(table(report))
    if report.layers:
        out.print(layer_table(report))
    if report.checks:
        out.print(check_table(report))
    for at in report.layers:
        for fault in at.faults:
            console.say(out, f"{at.label}, {tell(fault)}")
            for line in where.lines(fault):
                console.say(out, f"  {line}", "bold" if fault.repair else "")
    for line in [*map(describe, report.failures), *report.by_trial()]:
        console.say(out, line)
    for label, row in report.less_accurate:
        console.say(out, tell_less_accurate(label, row), "yellow")
    for remark in report.remarks:
        console.say(out, remark)
    for asked in (asked for asked in report.inputs if asked.left_out):
        console.say(out, str(asked))
    console.say(out, report.summary(), "green" if report.passed else "bold red")


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
