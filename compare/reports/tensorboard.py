"""The same in a run of TensorBoard; the same tags each time, so that runs overlay."""

import math
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from compare.blame.finding import Residual
from compare.command.writing import NotWrittenError
from compare.comparison.entries import finite
from compare.comparison.report import Report
from compare.comparison.told import tell
from torch_models.printable import printable


def write(report: Report, folder: Path) -> None:
    """A run in the folder: texts, errors by layer, distances in ULP, pictures of residuals.

    Raises:
        NotWrittenError: The folder cannot be written.
    """
    try:
        with SummaryWriter(str(folder)) as writer:
            _fill(writer, report)
    except OSError as error:
        reason = error.strerror or error
        raise NotWrittenError(f"--tensorboard {folder} cannot be written: {reason}") from error


def _fill(writer: SummaryWriter, report: Report) -> None:
    writer.add_text("gradients/verdict", printable(report.summary()))
    writer.add_text("gradients/layers", _layers(report))
    for row in report.rows:
        tag = printable(row.name.replace(" ", "_"))
        for kind, value in (("max_abs", row.max_abs), ("max_rel", row.max_rel)):
            if finite(value) is not None:
                writer.add_scalar(f"{kind}/{tag}", value)
        if row.histogram:
            _histogram(writer, f"ulp/{tag}", row.histogram)
    for layer in report.layers:
        for fault in layer.faults:
            if fault.residual:
                picture = _picture(fault.residual)
                tag = printable(f"residual/{layer.label}/{fault.gradient}")
                writer.add_image(tag, picture)


def _layers(report: Report) -> str:
    lines = ["| layer | verdict | what is wrong |", "|---|---|---|"]
    for layer in report.layers:
        faults = "; ".join(map(tell, layer.faults))
        cells = (layer.label, layer.verdict, faults or layer.remark)
        lines.append(" ".join(f"| {_cell(cell)}" for cell in cells))
    return "\n".join(lines)


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|")


def _histogram(writer: SummaryWriter, tag: str, counts: tuple[int, ...]) -> None:
    """Bins 0, 1, 2–3, 4–7, … as TensorBoard has them, by their upper ends."""
    ends = [2.0**i - 1 for i in range(len(counts))]
    total = sum(counts)
    writer.add_histogram_raw(
        tag,
        min=0.0,
        max=ends[-1],
        num=total,
        sum=float(sum(c * e for c, e in zip(counts, ends, strict=True))),
        sum_squares=float(sum(c * e * e for c, e in zip(counts, ends, strict=True))),
        bucket_limits=ends,
        bucket_counts=list(counts),
    )


def _picture(residual: Residual) -> torch.Tensor:
    """(1, rows, columns): black within rounding, white from 10⁸ times as much on."""
    doublings = [[_shade(cell) for cell in row] for row in residual.cells]
    picture = torch.tensor(doublings)[None]
    size = max(1, 256 // max(picture.shape[1:]))
    return picture.repeat_interleave(size, 1).repeat_interleave(size, 2)


def _shade(cell: float) -> float:
    if not math.isfinite(cell):
        return 1.0
    return min(max(math.log10(cell), 0.0) / 8, 1.0) if cell > 0 else 0.0
