"""Every figure and every equation of the lecture notes, recomputed: ``python -m compare.notes``.

Exit codes: 0 if every row is what it is expected to be, 1 if one is not (a figure or equation that
should agree does not, or a known misprint agrees as printed), 2 for bad usage.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from errno import EISDIR, ENOENT
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from compare.notes.row import Row

PIPE_WIDTH = 1000  # a pipe has no width; nothing may be folded or cut there
NOTE_WIDTH, VERDICT_WIDTH = 7, 10
STYLES = {
    "agrees": "green",
    "misprint": "bold yellow",
    "unreadable": "cyan",
    "differs": "bold white on red",
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m compare.notes",
        description="Recompute every figure and every equation of the five lecture notes: one row "
        "each, with a verdict: agrees, misprint (with the right value), unreadable in the scan, "
        "or differs. Exit code 1 if a row is not what it is expected to be.",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the rows to FILE")
    parser.add_argument("--plots", metavar="DIR", type=Path, help="also draw the plots into DIR")
    parser.add_argument(
        "--log-dir",
        metavar="DIR",
        type=Path,
        help="also show the plots in TensorBoard, as the run DIR/lecture-notes/version_N",
    )
    parser.add_argument(
        "--curve",
        metavar="EXPRESSION",
        help="the curve y = f(x), 0 ≤ x ≤ 1, that one hidden layer is to approximate, such as "
        "'sin(6*x) + abs(x - 0.5)'; prints the error for each width, and is drawn by --plots",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the comparison; returns the exit code."""
    args = parser().parse_args(argv)
    started = time.perf_counter()
    try:
        _require_folders(args)
    except OSError as error:
        return _refuse(f"cannot write {error.filename}: {error.strerror}")

    from rich.console import Console

    terminal = sys.stdout.isatty()
    console = Console(highlight=False, width=None if terminal else PIPE_WIDTH)
    notice = Console(stderr=True)

    def busy(what: str) -> AbstractContextManager[object]:
        return notice.status(what) if notice.is_terminal else nullcontext()

    with busy("loading PyTorch"):
        from compare.notes.curve import DEFAULT, parse
        from compare.notes.systems import SYSTEMS, rows_of
    curve = DEFAULT if args.curve is None else args.curve
    try:
        parse(curve)  # refused now, not after ten seconds
    except ValueError as error:
        return _refuse(str(error))

    found: list[tuple[int, Row]] = []
    for system, (title, _) in SYSTEMS.items():
        with busy(f"system {system} of {len(SYSTEMS)}: {title}"), _one_thread():
            rows = rows_of(system)
        found += [(system, row) for row in rows]
        console.print(f"\n{system}  {title}", style="bold")
        console.print(_table(rows, console, terminal))
    if args.curve is not None:
        _print_errors(curve, console)
    try:
        if args.json:
            _write_json(args.json, found)
        if args.plots or args.log_dir:
            passing = tempfile.TemporaryDirectory  # where nobody asked for the files
            with (
                busy("drawing"),
                _one_thread(),
                nullcontext(args.plots) if args.plots else passing() as folder,
            ):
                from compare.notes.plots import draw_all

                paths = draw_all(Path(folder), curve)
                if args.log_dir:
                    from compare.notes.in_tensorboard import show

                    run = show(paths, args.log_dir)
            for path in paths if args.plots else ():
                console.print(f"drawn: {path}", soft_wrap=True)
            if args.log_dir:
                console.print(f"shown: tensorboard --logdir {args.log_dir} ({run})", soft_wrap=True)
    except OSError as error:
        return _refuse(f"cannot write {error.filename}: {error.strerror}")
    return _conclude(found, console, time.perf_counter() - started)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread.

    On matrices this small more of them gain nothing, and on a busy machine they wait for each
    other: 60 s instead of 7 with three other programs on two cores.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _require_folders(args: argparse.Namespace) -> None:
    """Refuse now, not after ten seconds, what cannot be written to."""
    if args.json:
        if args.json.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder, expected a file", str(args.json))
        if not args.json.parent.is_dir():
            raise FileNotFoundError(ENOENT, "there is no such folder", str(args.json.parent))
    for folder in filter(None, (args.plots, args.log_dir)):
        folder.mkdir(parents=True, exist_ok=True)


def _refuse(message: str) -> int:
    print(f"python -m compare.notes: {message}", file=sys.stderr)  # noqa: T201
    return 2


def _table(rows: list["Row"], console: "Console", terminal: bool) -> "Table":
    """The rows; in a terminal the code stands under what it computed, for want of room."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    # Fixed widths keep the tables of all systems in line with each other; 12 is what rich puts
    # between five columns.
    room = console.width - NOTE_WIDTH - VERDICT_WIDTH - 12
    shares = {"claim": 0.3, "printed": 0.23, "computed": 0.47}
    table.add_column("note", width=NOTE_WIDTH if terminal else None)
    for name, share in shares.items():
        table.add_column(name, overflow="fold", width=int(room * share) if terminal else None)
    table.add_column("verdict", width=VERDICT_WIDTH if terminal else None)
    if not terminal:
        table.add_column("code", overflow="fold")
    for row in rows:
        computed, code = Text(row.computed), Text(row.code)
        if terminal and row.code:
            short = row.code.removeprefix("manual_backprop.").removeprefix("compare.")
            computed = Text("\n").join([computed, Text(short, style="dim")])
        cells = [Text(row.note), Text(row.claim), Text(row.printed), computed]
        cells.append(Text(row.verdict, style=STYLES[row.verdict]))
        table.add_row(*cells, *([] if terminal else [code]))
    return table


def _print_errors(curve: str, console: "Console") -> None:
    from compare.notes.approximation import WIDTHS, errors

    console.print(f"largest error of one hidden layer on {curve}", style="bold", soft_wrap=True)
    for width, error in zip(WIDTHS, errors(curve), strict=True):
        console.print(f"{width:5d} neurons  {error:.2e}")


def _write_json(path: Path, found: list[tuple[int, "Row"]]) -> None:
    """Written aside, then moved: a reader never sees half a file."""
    rows = []
    for system, row in found:
        note, _, line = row.note.partition(":")
        rows.append(
            {
                "system": system,
                "note": note,
                "line": int(line) if line else None,
                "claim": row.claim,
                "printed": row.printed,
                "computed": row.computed,
                "verdict": row.verdict,
                "code": row.code,
                "passed": row.passed,
            }
        )
    content = {"passed": all(row.passed for _, row in found), "rows": rows}
    aside = path.with_name(path.name + ".part")
    aside.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(aside, path)


def _conclude(found: list[tuple[int, "Row"]], console: "Console", seconds: float) -> int:
    counts = Counter(row.verdict for _, row in found)
    failures = [(system, row) for system, row in found if not row.passed]
    total = (
        f"{len(found)} rows over {len({system for system, _ in found})} systems: "
        f"{counts['agrees']} agree, {counts['misprint']} misprints, "
        f"{counts['unreadable']} unreadable; {seconds:.0f} s"
    )
    if not failures:
        console.print(f"passed: {total}", style="bold green", soft_wrap=True)
        return 0
    for system, row in failures:
        line = f"system {system}, {row.note} {row.claim}: {row.verdict}: {row.computed}"
        console.print(line, style="red", soft_wrap=True, markup=False)
    console.print(f"FAILED: {len(failures)} of {total}", style="bold red", soft_wrap=True)
    return 1
