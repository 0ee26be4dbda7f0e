"""Lines that GitHub shows beside the code: one for each fault, on the line that is wrong."""

import os

from compare.blame.finding import Fault
from compare.comparison import where
from compare.comparison.report import Report
from compare.comparison.told import describe, tell
from torch_models.printable import printable


def lines(report: Report) -> list[str]:
    """Workflow commands; none where all agrees."""
    found: list[tuple[str, str, Fault | None]] = [
        (f"{layer.label} is wrong", "\n".join([tell(fault), *where.lines(fault)]), fault)
        for layer in report.originators
        for fault in layer.faults
    ]
    if not found:
        found = [("gradients disagree", describe(row), None) for row in report.failures]
    if not found and not report.passed:
        found = [("gradients", report.summary(), None)]
    return [
        f"::error {_place(fault)}title={_property(title)}::{_data(message)}"
        for title, message, fault in found
    ]


def _place(fault: Fault | None) -> str:
    """The file and line, where they are known."""
    at = fault and (fault.repair or fault.source)
    root = os.environ.get("GITHUB_WORKSPACE", "")
    return f"file={_property(where.shown(at.file, root))},line={at.line}," if at else ""


def _data(text: str) -> str:
    return "%0A".join(printable(line).replace("%", "%25") for line in text.split("\n"))


def _property(text: str) -> str:
    return printable(text).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
