"""One page that needs nothing else: the verdict, the network, what is wrong, and every number."""

from collections.abc import Iterable, Iterator
from html import escape as escaped

from compare.blame.finding import CLEAN, INHERITED, ORIGINATES, SURROGATE, Fault, JudgedLayer
from compare.checks.check import AGREES
from compare.comparison import where, words
from compare.comparison.report import Report
from compare.comparison.told import count
from compare.reports import charts
from compare.reports.style import CSS
from compare.verdict.judge import Row
from torch_models.printable import printable

_CLASS = {CLEAN: "clean", INHERITED: "inherited", SURROGATE: "inherited", ORIGINATES: "origin"}
_SIGN = {CLEAN: "✓", INHERITED: "↤", SURROGATE: "≈", ORIGINATES: "✗"}
_NUMBERS, _NUMBER = ("max abs", "max rel", "ULP"), ' class="number"'
_HISTOGRAMS = 8  # on one page, of the tensors that differ most


def page(report: Report) -> str:
    """The whole file."""
    parts = [
        *_head(report),
        *_faults(report),
        *_network(report),
        *_layers(report),
        *_checks(report),
        *_rows(report),
        *_histograms(report),
        *_asked(report),
    ]
    icon = "data:,"  # none: a browser asks a server for one otherwise
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="{icon}"><title>{escape(report.title or "Gradients")}</title>'
        f"<style>{CSS}</style></head><body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def escape(text: str) -> str:
    """``text`` as it is shown."""
    return escaped(printable(text))


def _head(report: Report) -> Iterator[str]:
    state = "clean" if report.passed else "origin"
    word = "✓ passed" if report.passed else "✗ failed"
    yield f'<span class="badge {state}">{word}</span><h1>{escape(headline(report))}</h1>'
    facts = f"{report.title} · seed {report.seed} · verdict: {report.verdict}"
    yield f'<p class="soft">{escape(facts)}</p>'


def headline(report: Report) -> str:
    """The outcome in a few words."""
    culprits = [layer.label for layer in report.originators]
    if culprits:
        named = ", ".join(culprits[:3]) + (f" and {len(culprits) - 3} more" if culprits[3:] else "")
        return f"The backward is wrong in {named}"
    if report.passed:
        return f"All {len(report.rows)} tensors agree"
    if report.failures:
        return f"{len(report.failures)} of {len(report.rows)} tensors disagree"
    return report.summary().removeprefix("FAILED: ").split(".")[0]


def _faults(report: Report) -> Iterator[str]:
    if report.originators:
        yield "<h2>What is wrong</h2>"
    for layer in report.originators:
        for fault in layer.faults:
            yield _fault(layer, fault)
        if layer.remark:
            yield f'<p class="note">{escape(layer.remark)}</p>'


def _fault(layer: JudgedLayer, fault: Fault) -> str:
    row = fault.row
    numbers = ""
    if row.index is not None:
        numbers = (
            f"Largest difference at {list(row.index)}: {row.manual:.6g} instead of "
            f"{row.reference:.6g}."
        )
    found = f"Found {words.exposed(fault.input, fault.cotangent)}, seed {fault.seed}."
    picture = ""
    if fault.residual:
        shape = " × ".join(map(str, fault.residual.shape)) or "a number"
        picture = (
            f"<figure>{charts.heat_map(fault.residual)}<figcaption>Where the error is ({shape}): "
            "grey is rounding; the darker, the larger the error.</figcaption></figure>"
        )
    return (
        f'<section class="fault"><div><h3>{escape(layer.label)} '
        f'<span class="soft">· {escape(fault.gradient)}</span></h3>'
        f'<p class="sentence">{escape(_capital(fault.diagnosis.sentence))}.</p>'
        f'{_line(fault)}<p class="soft">{escape(found)} {escape(numbers)}</p></div>'
        f"{picture}</section>"
    )


def _line(fault: Fault) -> str:
    """Where it is written, and the change that makes it right."""
    change, source = fault.repair, fault.source
    if change is not None:
        removed = "".join(f"<del>− {escape(line)}</del>\n" for line in change.old.splitlines())
        put_in = "".join(f"<ins>+ {escape(line)}</ins>\n" for line in change.new.splitlines())
        return (
            f'<p class="soft">{escape(where.shown(change.file))}, line {change.line}:</p>'
            f'<pre class="change">{removed}{put_in}</pre>'
            f'<p class="soft">{escape(_capital(where.verified(change)))}.</p>'
        )
    late = "".join(f'<p class="soft">{escape(_capital(s))}.</p>' for s in where.out_of_time(fault))
    if source is None:
        return late
    return (
        f'<p class="soft">{escape(where.shown(source.file))}, line {source.line}, '
        f"{escape(source.function)}:</p>"
        f'<pre class="change">{escape(source.text)}</pre>{late}'
    )


def _network(report: Report) -> Iterator[str]:
    if not report.layers:
        return
    yield "<h2>The network, layer by layer</h2>"
    yield (
        '<p class="note">Each layer was run on its own, with the input and the incoming gradient '
        "of the reference's layer. ✓ correct · ↤ inherited: correct on its own, but its input or "
        "incoming gradient was wrong · ✗ wrong: the error arises here. → activations, "
        "← gradients.</p>"
    )
    boxes = []
    for i, layer in enumerate(report.layers):
        arrow = '<span class="arrow">→<small>←</small></span>' if i else ""
        name, space, kind = layer.label.partition(" ")
        if not space:  # the model itself has no name
            name, kind = "", layer.label
        boxes.append(
            f'<li>{arrow}<div class="layer {_CLASS[layer.verdict]}" '
            f'title="compared with {escape(layer.twin or "the reference")}">'
            f'<span class="name">{escape(name)}</span>{escape(kind)}'
            f'<span class="word">{_SIGN[layer.verdict]} {layer.verdict}</span></div></li>'
        )
    yield f'<ol class="network">{"".join(boxes)}</ol>'


def _layers(report: Report) -> Iterator[str]:
    rows = [row for layer in report.layers for row in layer.rows]
    if not rows:
        return
    exact = sum(row.exact and row.passed for row in rows)
    differing = [row for row in rows if not (row.exact and row.passed)]
    low, high = axis = charts.error_axis(differing)
    yield "<h2>Errors of each layer on its own</h2>"
    yield f'<p class="note">{exact} of {len(rows)} outputs and gradients are bit-for-bit identical.'
    if not differing:
        yield "</p>"
        return
    yield (
        f"The others, by their distance from the float64 truth, from 1e{low} to 1e{high}: "
        "the dot is "
        "manual, the ring the reference; left of the vertical line the difference is rounding.</p>"
    )
    lines = [
        f'<tr class="{"clean" if row.passed else "origin"}"><td>{escape(layer.label)}</td>'
        f"<td>{escape(row.name)}</td><td>{charts.errors(row, axis)}</td>"
        f'<td class="word">{escape(row.verdict)}</td></tr>'
        for layer in report.layers
        for row in layer.rows
        if row in differing
    ]
    yield _table(("layer", "gradient", "error", "verdict"), lines)


def _checks(report: Report) -> Iterator[str]:
    if not report.checks:
        return
    yield "<h2>Further checks</h2>"
    states = {True: "clean", False: "inherited"}
    lines = [
        f'<tr class="{states[c.verdict == AGREES] if c.passed else "origin"}">'
        f'<td>{escape(c.name)}</td><td class="word">{escape(c.verdict)}</td>'
        f'<td class="words">{escape(c.detail)}</td></tr>'
        for c in report.checks
    ]
    yield _table(("check", "verdict", "result"), lines)


def _rows(report: Report) -> Iterator[str]:
    yield "<h2>Every tensor of the model</h2>"
    signs = any(row.max_abs == 0 and not row.exact for row in report.rows)
    yield (
        '<p class="note">In backward order: where an error arises, and where it spreads. '
        f"{words.ULP}{' ' + words.SIGN_OF_ZERO if signs else ''}</p>"
    )
    yield _table(
        ("name", "kind", "max abs", "max rel", "ULP", "verdict", "found"),
        map(_row, report.rows),
    )


def _row(row: Row) -> str:
    numbers = [words.size(row.max_abs, row.exact), words.size(row.max_rel, True)]
    numbers.append("–" if row.max_ulp is None else count(row.max_ulp))
    cells = "".join(f'<td class="number">{number}</td>' for number in numbers)
    verdict = ": ".join(part for part in (row.verdict, row.reason) if part)
    state = "clean" if row.passed else "origin"
    found = "" if row.exact and row.passed else words.exposed(row.input, row.cotangent)
    return (
        f'<tr class="{state}"><td>{escape(row.name)}</td><td>{row.kind}</td>{cells}'
        f'<td class="word">{escape(verdict)}</td>'
        f'<td class="words">{escape(found)}</td></tr>'
    )


def _histograms(report: Report) -> Iterator[str]:
    differing = [row for row in report.rows if len(row.histogram) > 1]
    if not differing:
        return
    differing.sort(key=lambda row: -(row.max_ulp or 0))
    yield "<h2>Distances in ULP</h2>"
    yield (
        '<p class="note">The share of elements that are 0, 1, 2–3, 4–7, … ULP from the reference.'
        + (f" The {_HISTOGRAMS} that differ most.</p>" if differing[_HISTOGRAMS:] else "</p>")
    )
    pictures = [
        f'<figure class="{"clean" if row.passed else "origin"}">{charts.ulp(row)}'
        f"<figcaption>{escape(row.name)}</figcaption></figure>"
        for row in differing[:_HISTOGRAMS]
    ]
    yield f'<div class="charts">{"".join(pictures)}</div>'


def _asked(report: Report) -> Iterator[str]:
    yield "<h2>Inputs tried</h2>"
    for line in [*report.remarks, *map(str, report.inputs), *report.by_trial()]:
        yield f'<p class="soft">{escape(line)}</p>'


def _table(titles: Iterable[str], lines: Iterable[str]) -> str:
    head = "".join(f"<th{_NUMBER if t in _NUMBERS else ''}>{escape(t)}</th>" for t in titles)
    body = "\n".join(lines)
    return f'<div class="scroll"><table><tr>{head}</tr>\n{body}</table></div>'


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
