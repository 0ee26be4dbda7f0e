"""A JUnit report: a test case for each layer, and one for each tensor of the whole."""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from compare.blame.finding import ORIGINATES
from compare.comparison import where
from compare.comparison.report import Report
from compare.comparison.told import describe, tell
from torch_models.printable import printable


def document(report: Report) -> str:
    """The whole file."""
    cases = list(_cases(report))
    failed = sum(failure is not None for _, _, failure in cases)
    suites = ET.Element("testsuites")
    counts = {"tests": str(len(cases)), "failures": str(failed), "errors": "0", "skipped": "0"}
    suite = ET.SubElement(suites, "testsuite", {"name": printable(report.title), **counts})
    for kind, name, failure in cases:
        case = ET.SubElement(suite, "testcase", classname=f"gradients.{kind}", name=printable(name))
        if failure is not None:
            lines = [printable(line) for line in failure]
            ET.SubElement(case, "failure", message=lines[0]).text = "\n".join(lines)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _cases(report: Report) -> Iterator[tuple[str, str, list[str] | None]]:
    """Kind, name, and in lines what is wrong with it."""
    for layer in report.layers:
        told = [line for f in layer.faults for line in (tell(f), *where.lines(f))]
        faults = told or [layer.remark]
        yield "layer", layer.label, faults if layer.verdict == ORIGINATES else None
    for row in report.rows:
        yield "tensor", row.name, None if row.passed else [describe(row)]
    for check in report.checks:
        yield "check", check.name, None if check.passed else [check.detail]
    if report.nothing_compared:
        yield "whole", "something was compared", [report.summary()]
