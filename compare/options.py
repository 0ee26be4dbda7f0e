"""The command lines of ``compare``, without importing torch."""

import argparse
import tempfile
from pathlib import Path

from torch_models.options import (
    OneLineParser,
    add_data_options,
    add_descent_options,
    add_network_options,
    integer,
)

DTYPES = ("float32", "float64", "bfloat16", "float16")
_EXIT_CODES = "Exit code 0: they agree; 1: they do not; 2: an option or a file is wrong."


def gradients_parser() -> OneLineParser:
    """The parser of ``python -m compare.gradients``."""
    parser = OneLineParser(
        prog="python -m compare.gradients",
        description="Compare every gradient of a multilayer perceptron, by hand against autograd: "
        "same weights, one batch of real data, one row for each tensor in backward order.",
        epilog=f"δ of a layer is ∂L/∂(its output). {_EXIT_CODES}",
    )
    add_data_options(parser)
    add_network_options(parser)
    _add_comparison_options(parser)
    return parser


def training_parser() -> OneLineParser:
    """The parser of ``python -m compare.training``."""
    parser = OneLineParser(
        prog="python -m compare.training",
        description="Train a multilayer perceptron twice in lockstep, its gradient by hand and by "
        "autograd, on the same batches, and tell where the two first differ.",
        epilog=_EXIT_CODES,
    )
    add_data_options(parser)
    add_network_options(parser)
    training = _add_comparison_options(parser)
    training.add_argument("--epochs", type=integer(1), default=1, metavar="N", help="(default: 1)")
    add_descent_options(training)
    return parser


def _add_comparison_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("comparison")
    group.add_argument(
        "--backprop",
        choices=("manual", "explicit"),
        default="manual",
        help="the way to hold against autograd: hand-written layers, or Network, which has no "
        "autograd and computes in float32 and float64 (default: %(default)s)",
    )
    group.add_argument(
        "--dtype", choices=DTYPES, default="float32", help="of both sides (default: %(default)s)"
    )
    group.add_argument(
        "--batch-size", type=integer(1), default=128, metavar="N", help="(default: %(default)s)"
    )
    group.add_argument(
        "--json", type=_new_file, metavar="FILE", help="write the outcome there as well"
    )
    return group


def checked(parser: OneLineParser, options: argparse.Namespace) -> argparse.Namespace:
    """The options, unless two of them contradict each other; then exit with code 2."""
    if options.backprop == "explicit" and options.dtype not in ("float32", "float64"):
        parser.error(f"--backprop explicit has no --dtype {options.dtype}: use float32 or float64")
    return options


def _new_file(text: str) -> Path:
    """A file that can be written, found out now and not after minutes of work."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file, {text} is a folder")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"{text} cannot be written ({error.strerror}): choose another file"
        ) from None
    return path


def layers_parser() -> OneLineParser:
    """The parser of ``python -m compare.layers``."""
    parser = OneLineParser(
        prog="python -m compare.layers",
        description="Compare every layer and loss by itself with its twin in torch.nn, on random "
        "values.",
        epilog=_EXIT_CODES,
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float64", help="(default: %(default)s)")
    parser.add_argument(
        "--seed", type=integer(0, 2**32 - 1), default=0, help="of the values (default: %(default)s)"
    )
    parser.add_argument("--json", type=_new_file, metavar="FILE", help="write the outcome there")
    return parser
