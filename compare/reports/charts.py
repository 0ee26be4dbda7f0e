"""Small drawings as inline SVG: errors on a log axis, distances in ULP, residuals as heat maps."""

import math
from collections.abc import Sequence
from html import escape

from compare.blame.finding import Residual
from compare.verdict.judge import Row
from torch_models.printable import printable

_WIDE, _HIGH = 230, 22  # of an error plot, in pixels


def error_axis(rows: Sequence[Row]) -> tuple[int, int]:
    """The powers of ten that all errors lie between, at most 18 apart."""
    errors = [x for row in rows for x in (row.error_manual, row.error_reference, row.allowed)]
    powers = [math.log10(x) for x in errors if x and math.isfinite(x)]
    if not powers:
        return -8, 0
    high = math.ceil(max(powers) + 0.01)
    return max(math.floor(min(powers)), high - 18), high


def errors(row: Row, axis: tuple[int, int]) -> str:
    """Where manual's and the reference's error lie, and the line up to which it is rounding."""
    low, high = axis

    def place(error: float) -> float:
        power = math.log10(error) if error > 0 else low
        return 8 + (_WIDE - 16) * (min(max(power, low), high) - low) / (high - low)

    parts = [f'<line class="axis" x1="8" x2="{_WIDE - 8}" y1="11" y2="11"/>']
    for power in range(low, high + 1, max(1, (high - low) // 6)):
        x = place(10.0**power)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="8" y2="14"/>')
    if row.allowed:
        x = place(row.allowed)
        parts.append(f'<line class="allowed" x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="20"/>')
    if row.error_reference is not None:
        x = place(row.error_reference)
        parts.append(f'<circle class="dot-reference" cx="{x:.1f}" cy="11" r="4.5"/>')
    if row.error_manual is not None:
        parts.append(
            f'<circle class="dot-manual" cx="{place(row.error_manual):.1f}" cy="11" r="3.5"/>'
        )
    said = (
        f"error of manual {_of(row.error_manual)}, of the reference {_of(row.error_reference)}, "
        f"rounding up to {_of(row.allowed)}"
    )
    return _svg(_WIDE, _HIGH, parts, said)


def _of(error: float | None) -> str:
    return "unknown" if error is None else f"{error:.2g}"


def ulp(row: Row) -> str:
    """How many elements are how many floats away from the reference's."""
    counts = row.histogram
    most = max(counts, default=0) or 1
    step, high = 15, 70
    parts = []
    for i, count in enumerate(counts):
        height = high * count / most
        height = max(height, 1.5) if count else 0
        name = "0" if i == 0 else "1" if i == 1 else f"{2 ** (i - 1)}–{2**i - 1}"
        parts.append(
            f'<rect class="bar" x="{4 + i * step}" y="{high + 4 - height:.1f}" width="{step - 4}" '
            f'height="{height:.1f}"><title>{name} ULP: {count:,} elements</title></rect>'
        )
        if i % 4 == 0:
            label = "0" if i == 0 else f"{2 ** (i - 1)}" if i < 14 else f"2^{i - 1}"
            parts.append(f'<text x="{4 + i * step}" y="{high + 17}">{label}</text>')
    width = max(step * len(counts) + 20, 110)
    parts.append(f'<line class="axis" x1="0" x2="{width}" y1="{high + 4}" y2="{high + 4}"/>')
    return _svg(width, high + 22, parts, f"distances in ULP of {row.name}")


def heat_map(residual: Residual) -> str:
    """The residual, cell by cell: pale within rounding, dark where it is 10⁸ times as much."""
    rows, columns = len(residual.cells), len(residual.cells[0])
    side = max(3, min(18, 288 // max(rows, columns)))
    parts = []
    for i, row in enumerate(residual.cells):
        for j, cell in enumerate(row):
            title = f"<title>row {i}, column {j}: {cell:.3g} times the rounding error</title>"
            hover = title if rows * columns <= 1024 else ""
            parts.append(
                f'<rect x="{j * side}" y="{i * side}" width="{side}" height="{side}" '
                f'fill="{_shade(cell)}">{hover}</rect>'
            )
    return _svg(columns * side, rows * side, parts, "where the error is")


def _shade(cell: float) -> str:
    """From a pale grey over orange to a dark red, by the power of ten above rounding."""
    if not math.isfinite(cell):
        return "#000"
    if cell <= 1:
        return "#e9edf0"
    power = min(math.log10(cell) / 7, 1.0)
    return f"hsl({40 - 40 * power:.0f} {75 + 10 * power:.0f}% {78 - 50 * power:.0f}%)"


def _svg(width: float, height: float, parts: Sequence[str], said: str) -> str:
    return (
        f'<svg width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'role="img" aria-label="{escape(printable(said))}">{"".join(parts)}</svg>'
    )
