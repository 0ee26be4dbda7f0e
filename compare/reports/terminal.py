"""A report in a terminal: tables, and what was found in words."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from compare.blame.finding import CLEAN, INHERITED, ORIGINATES, SURROGATE
from compare.checks.check import AGREES
from compare.command import console
from compare.comparison import where, words
from compare.comparison.report import Report
from compare.comparison.told import count, describe, tell, tell_less_accurate
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


_VERDICT_WIDTH = 13  # where the table is short of room
_MORE = "--html FILE, --json FILE or --junit FILE lists them all"


def show(report: Report) -> None:
    """On stdout."""
    out = console.stdout()
    console.say(out, report.title, "bold")
    out.print(table(report, out))
    console.say(out, words.ULP)
    if any(row.max_abs == 0 and not row.exact for row in report.rows):
        console.say(out, words.SIGN_OF_ZERO)
    if report.layers:
        out.print(layer_table(report))
    if report.checks:
        out.print(check_table(report))
    exposed = [
        line
        for at in report.layers
        for fault in at.faults
        for line in (f"{at.label}, {tell(fault)}", *(f"  {x}" for x in where.lines(fault)))
    ]
    console.say_first(out, [*exposed, *map(describe, report.failures)], _MORE)
    for line in report.by_trial():
        console.say(out, line)
    worse = [tell_less_accurate(label, row) for label, row in report.less_accurate]
    console.say_first(out, worse, _MORE, "yellow")
    for remark in report.remarks:
        console.say(out, remark)
    for asked in (asked for asked in report.inputs if asked.left_out):
        console.say(out, str(asked))
    console.say(out, report.summary(), "green" if report.passed else "bold red")


def table(report: Report, out: Console) -> Table:
    """The rows in backward order; of those that fail the first ones.

    Where there is no room, columns are dropped that the name and the verdict already tell.
    """
    for optional in (("kind", "exact"), ("kind",), ()):
        view = _table(report, optional)
        if console.natural_width(view, out) <= out.width:
            return view
    view.columns[-1].max_width = _VERDICT_WIDTH
    return view


def _table(report: Report, optional: Sequence[str]) -> Table:
    numbers = ("max abs", "max rel", "ULP")
    view = console.table("name", *optional, *numbers, "verdict", numbers=numbers)
    failures = report.failures
    left_out = {row.name for row in failures[console.MOST :]}
    for row in report.rows:
        if row.name not in left_out:
            known = {"kind": row.kind, "exact": "yes" if row.exact else "no"}
            console.row(
                view,
                console.Name(row.name),
                *(known[name] for name in optional),
                words.size(row.max_abs, row.exact),
                words.size(row.max_rel, exact=True),
                "–" if row.max_ulp is None else count(row.max_ulp),
                console.cell(row.verdict, _STYLES[row.verdict]),
            )
    if left_out:
        console.row(view, f"… and {len(left_out)} more that fail")
    return view


def layer_table(report: Report) -> Table:
    """The layers, each judged by itself, and what is wrong with those at fault, the first ones."""
    view = console.table("layer", "verdict", "gradient", "what is wrong")
    shown, left_out = 0, 0
    for layer in report.layers:
        verdict = console.cell(layer.verdict, _STYLES[layer.verdict])
        if not layer.faults:
            console.row(view, layer.label, verdict, "", layer.remark)
        for i, fault in enumerate(layer.faults):
            if shown == console.MOST:
                left_out += 1
                continue
            shown += 1
            first = (layer.label, verdict) if i == 0 else ("", "")
            console.row(view, *first, fault.gradient, fault.diagnosis.sentence)
    if left_out:
        console.row(view, f"… and {left_out} more")
    return view


def check_table(report: Report) -> Table:
    """What was asked in addition."""
    view = console.table("check", "verdict", "result")
    for check in report.checks:
        style = "bold red" if not check.passed else "green" if check.verdict == AGREES else "yellow"
        console.row(view, check.name, console.cell(check.verdict, style), check.detail)
    return view
