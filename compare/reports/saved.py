"""A report in a program's hands: shown by a notebook, saved to a file, as JSON."""

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import ParamSpec

from compare.command.writing import json_text, write_text
from compare.comparison import pair, words
from compare.comparison.report import Report
from compare.comparison.told import count
from compare.reports import charts, html, junit
from compare.reports.html import escape

P = ParamSpec("P")
_WRITERS = {
    ".html": html.page,
    ".json": lambda report: to_json(report),
    ".xml": junit.document,
}


class ShownReport(Report):
    """A ``Report`` that displays itself in notebooks, and can be saved to a file."""

    def _repr_html_(self) -> str:
        """As notebooks show it: the verdict, what is wrong, and every tensor."""
        return fragment(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file: ``report.html``, ``report.json``, or ``report.xml`` for JUnit.

        Raises:
            ValueError: The name ends in none of these.
            NotWrittenError: The file cannot be written.
        """
        save(self, path)

    def to_json(self) -> str:
        """The report as strict JSON: infinities and NaN are null."""
        return to_json(self)


def _shown(compare: Callable[P, Report]) -> Callable[P, ShownReport]:
    @functools.wraps(compare)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> ShownReport:
        return ShownReport(**vars(compare(*args, **kwargs)))

    return wrapper


compare_gradients = _shown(pair.compare_gradients)


def save(report: Report, path: str | os.PathLike[str]) -> None:
    """As its name says: a page, JSON, or a JUnit report.

    Raises:
        ValueError: It ends in something else.
        NotWrittenError: It cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise ValueError(f"expected a name that ends in {', '.join(_WRITERS)}, got {str(path)!r}")
    write_text(path, _WRITERS[path.suffix.lower()](report), "the report")


def to_json(report: Report) -> str:
    """Strict JSON: what the report says, and of what."""
    facts = {"title": report.title, "dtype": report.dtype, "seed": report.seed}
    return json_text({**report.as_json(), **facts})


def fragment(report: Report) -> str:
    """The page in small, without a style of its own: verdict, faults, layers, tensors."""
    sign = "✓" if report.passed else "✗"
    return "\n".join(
        [
            f"<p><b>{sign} {escape(html.headline(report))}</b><br>{escape(report.title)}, "
            f"{escape(report.dtype)}, seed {report.seed}</p>",
            *_faults(report),
            *_layers(report),
            *_tensors(report),
        ]
    )


def _faults(report: Report) -> Iterator[str]:
    for layer in report.originators:
        for fault in layer.faults:
            sentence = f"{layer.label}, {fault.gradient}: {fault.diagnosis.sentence}"
            picture = charts.heat_map(fault.residual) if fault.residual else ""
            yield f"<p>{escape(sentence)}</p>{picture}"


def _layers(report: Report) -> Iterator[str]:
    if report.layers:
        lines = [
            (layer.label, layer.verdict, ", ".join(fault.gradient for fault in layer.faults))
            for layer in report.layers
        ]
        yield _table(("layer", "verdict", "wrong gradients"), lines)


def _tensors(report: Report) -> Iterator[str]:
    lines = [
        (
            row.name,
            words.size(row.max_abs, row.exact),
            "–" if row.max_ulp is None else count(row.max_ulp),
            row.verdict,
        )
        for row in report.rows
    ]
    table = _table(("tensor", "max abs", "ULP", "verdict"), lines)
    yield f"<details><summary>{len(lines)} tensors</summary>{table}</details>"


def _table(titles: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines
    )
    return f"<table><tr>{head}</tr>{body}</table>"
