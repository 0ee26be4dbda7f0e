"""A JUnit report: a test case for each layer, and one for each tensor of the whole."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from compare.blame.finding import ORIGINATES
from compare.comparison import where
from compare.comparison.report import Report, describe, tell

# What XML 1.0 has no way to write.
_IMPOSSIBLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(report: Report) -> str:
    """The whole file."""
    cases = list(_cases(report))
    failed = sum(failure is not None for _, _, failure in cases)
    suites = ET.Element("testsuites")
    counts = {"tests": str(len(cases)), "failures": str(failed), "errors": "0", "skipped": "0"}
    suite = ET.SubElement(suites, "testsuite", {"name": _clean(report.title), **counts})
    for kind, name, failure in cases:
        case = ET.SubElement(suite, "testcase", classname=f"gradients.{kind}", name=_clean(name))
        if failure is not None:
            first = failure.split("\n", 1)[0]
            ET.SubElement(case, "failure", message=_clean(first)).text = _clean(failure)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _cases(report: Report) -> Iterator[tuple[str, str, str | None]]:
    """Kind, name, and what is wrong with it."""
    for layer in report.layers:
        told = [line for f in layer.faults for line in (tell(f), *where.lines(f))]
        faults = "\n".join(told) or layer.remark
        yield "layer", layer.label, faults if layer.verdict == ORIGINATES else None
    for row in report.rows:
        yield "tensor", row.name, None if row.passed else describe(row)
    for check in report.checks:
        yield "check", check.name, None if check.passed else check.detail
    if report.nothing_compared:
        yield "whole", "something was compared", report.summary()


def _clean(text: str) -> str:
    return _IMPOSSIBLE.sub("�", text)
