"""``python -m compare.layers``: every layer by itself against torch.nn, with its equation.

The table of manual_backprop/README.md: for each layer the equation of its backward, the file where
it is derived, and the largest difference from autograd of any output or gradient, under all
incoming gradients.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from compare.catalogue import entries
from compare.command.argument_types import new_file
from compare.command.exit import EXIT_CODES, exit_code
from compare.command.shared_options import DTYPES
from torch_models.arguments import OneLineParser, integer
from torch_models.threads import add_threads_option, number

if TYPE_CHECKING:
    from rich.table import Table

    from compare.catalogue.entry import Entry
    from compare.comparison.report import Report


#: The verdict where there is nothing to compare with.
LACKING = "not in PyTorch"


def compare_layer(entry: "Entry", dtype: str, seed: int) -> "Report":
    """The module and its twin on the same random values."""
    import torch

    from compare.comparison.pair import compare_gradients
    from compare.trial.given import map_tensors

    type_ = getattr(torch, dtype)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        manual, reference = entry.twins(entry.modules[0])
        for twin in (manual, reference):
            if isinstance(twin, torch.nn.Module):
                twin.to(type_)
        values = map_tensors(lambda x: x.to(type_) if x.is_floating_point() else x, entry.inputs())
        return compare_gradients(manual, reference, *values, seed=seed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 agree, 1 disagree, 2 bad input)."""
    parser = layers_parser()
    options = parser.parse_args(arguments)
    # From here on it takes seconds to import; --help and wrong options have been answered.
    return exit_code(
        parser.prog, lambda: _compare(options), threads=options.threads, most_threads=1
    )


def layers_parser() -> OneLineParser:
    """The parser of ``python -m compare.layers``."""
    parser = OneLineParser(
        prog="python -m compare.layers",
        description="Compare every layer and loss with its counterpart in torch.nn, on "
        "random inputs.",
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default="float64",
        help="dtype to compare in (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=integer(0, 2**32 - 1),
        default=0,
        help="seed of the inputs (default: %(default)s)",
    )
    add_threads_option(parser, "1, as the tensors are small")
    parser.add_argument(
        "--json", type=new_file, metavar="FILE", help="write the result to FILE as JSON"
    )
    return parser


def _compare(options: argparse.Namespace) -> bool:
    from compare.command import console
    from compare.command.writing import write_json
    from compare.trial.errors import ComparisonError

    out = console.stdout()
    wide = out.width >= console.WIDE
    if wide:
        view = console.table("layer", "equation", "file", "largest difference", "verdict")
    else:
        view = console.table("layer", "equation, file", "difference", "verdict")
        view.columns[0].max_width = 20  # the equations need the room
    title = f"every layer against torch.nn, {options.dtype}, {number()}"
    view.title, view.title_justify = title, "left"
    rows: list[dict[str, Any]] = []
    failures = []
    for entry in entries():
        at = {"layer": entry.name, "equation": entry.equation, "file": entry.file}
        try:
            report = compare_layer(entry, options.dtype, options.seed)
        except ComparisonError as error:
            if not isinstance(error.__cause__, NotImplementedError):
                raise
            rows.append(at | {"max_abs": None, "verdict": LACKING})
            _show(view, at, "–", LACKING, wide)
            continue
        found = [row for trial in report.trials for row in trial]
        differences = [row.max_abs for row in found if row.max_abs is not None]
        largest = max(differences, default=0.0)
        verdict = "exact" if all(r.exact for r in found) else "rounding"
        if not report.passed:
            verdict = "bug"
            failures.append(f"{entry.name}: {report.summary()}")
        rows.append(at | {"max_abs": largest, "verdict": verdict})
        difference = f"{largest:.1e}" if largest else "0" if verdict == "exact" else "±0"
        _show(view, at, difference, verdict, wide)
    out.print(view)
    console.say_first(out, failures, "--json FILE has a row for each layer", "bold red")
    if options.json:
        write_json(options.json, {"passed": not failures, "dtype": options.dtype, "rows": rows})
    return not failures


def _show(view: "Table", at: dict[str, str], difference: str, verdict: str, wide: bool) -> None:
    from compare.command import console

    if wide:
        console.row(view, *at.values(), difference, verdict)
    else:
        derived = console.below(at["equation"], at["file"].removeprefix("manual_backprop/"))
        console.row(view, console.Name(at["layer"]), derived, difference, verdict)


if __name__ == "__main__":
    sys.exit(main())
