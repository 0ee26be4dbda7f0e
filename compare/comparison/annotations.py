"""Lines that GitHub shows beside the code: one for each fault, in the log and the checks tab."""

from compare.comparison.report import Report, describe, tell
from torch_models.printable import printable


def lines(report: Report) -> list[str]:
    """Workflow commands; none where all agrees."""
    found = [
        (f"{layer.label} is wrong by itself", tell(fault))
        for layer in report.originators
        for fault in layer.faults
    ]
    if not found:
        found = [("gradients disagree", describe(row)) for row in report.failures]
    if not found and not report.passed:
        found = [("gradients", report.summary())]
    return [f"::error title={_property(title)}::{_data(message)}" for title, message in found]


def _data(text: str) -> str:
    return printable(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
