"""Every figure and every equation of the lecture notes, recomputed: ``python -m compare.notes``.

Exit codes: 0 if every claim is what it is expected to be, 1 if one is not (a figure or equation
that should agree does not, or a known misprint agrees as printed); the others are those of all
commands, see ``--help``.
"""

import argparse
from collections.abc import Sequence

from compare.command.argument_types import folder, new_file
from compare.command.exit import NOT_DONE, exit_code
from torch_models.arguments import OneLineParser
from torch_models.threads import add_threads_option


def notes_parser() -> OneLineParser:
    """The parser of ``python -m compare.notes``."""
    parser = OneLineParser(
        prog="python -m compare.notes",
        description="Recompute every figure and every equation of the five lecture notes. "
        "Each has a row with a verdict: agrees, misprint (with the correct value), "
        "unreadable in the scan, or differs.",
        epilog="Exit code 0: every row is what it is expected to be; 1: one is not; " + NOT_DONE,
    )
    add_threads_option(parser, "1, as the matrices are small")
    parser.add_argument("--json", metavar="FILE", type=new_file, help="also write the rows to FILE")
    parser.add_argument("--plots", metavar="DIR", type=folder, help="also draw the plots into DIR")
    parser.add_argument(
        "--log-dir",
        metavar="DIR",
        type=folder,
        help="also show the plots in TensorBoard, as the run DIR/lecture-notes/version_N",
    )
    parser.add_argument(
        "--curve",
        metavar="EXPRESSION",
        help="a curve y = f(x), 0 ≤ x ≤ 1, for one hidden layer to approximate, such as "
        "'sin(6*x) + abs(x - 0.5)'; prints the error for each width, and --plots draws it",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = notes_parser()
    options = parser.parse_args(arguments)
    # From here on it takes seconds to import; --help and wrong options have been answered.
    return exit_code(
        parser.prog, lambda: _recompute(options), threads=options.threads, most_threads=1
    )


def _recompute(options: argparse.Namespace) -> bool:
    from compare.notes.recompute import recompute

    return recompute(options)
