"""``python -m compare.gradients``: do the gradients by hand agree, which layer is wrong, and how.

Any two models that the command line names, or one of our own networks on a batch of real data.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from compare.checks import CHECKS
from compare.command.argument_types import checks, mapping, new_file, seconds, shape
from compare.command.exit import EXIT_CODES, exit_code
from compare.command.shared_options import add_comparison_options, changed, checked
from torch_models.arguments import OneLineParser
from torch_models.names import LOSSES
from torch_models.network_options import add_data_options, add_network_options
from torch_models.recipes import most_threads

#: Options that only our own network has, and only any two models have.
_OWN = (
    "dataset",
    "data_dir",
    "text_dir",
    "network",
    "hidden",
    "activation",
    "attention",
    "backprop",
    "batch_size",
)
_PAIR = ("shape", "inputs", "map")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 agree, 1 disagree, 2 bad input)."""
    parser = gradients_parser()
    options = checked_gradients(parser, parser.parse_args(arguments))
    # From here on it takes seconds to import; --help and wrong options have been answered.
    own = not options.manual
    most = most_threads(options.network, options.batch_size, options.hidden) if own else None
    return exit_code(
        parser.prog,
        lambda: _compare(options),
        threads=options.threads,
        most_threads=most,
        foreign=True,
    )


def _compare(options: argparse.Namespace) -> bool:
    from compare.gradients.asking import compare

    return compare(options)


def gradients_parser() -> OneLineParser:
    """The parser of ``python -m compare.gradients``."""
    parser = OneLineParser(
        prog="python -m compare.gradients",
        usage="%(prog)s [MANUAL REFERENCE --shape N,N] [options]",
        description="Compare every gradient of two models, hand-written against autograd, "
        "with the same weights and inputs. Prints a row for each tensor in backward order, "
        "a verdict for each layer on its own, and what is wrong. Without MANUAL and "
        "REFERENCE it compares one of the project's own networks on a batch of real data.",
        epilog=f"δ of a layer is ∂L/∂(its output). {EXIT_CODES}",
    )
    pair = parser.add_argument_group("any two models")
    for side, which in (("manual", "the model to check"), ("reference", "the model to trust")):
        pair.add_argument(
            side,
            nargs="?",
            metavar=side.upper(),
            help=f"{which}: package.module:Name or path/to/file.py:Name of a module, a "
            "function, or a function without arguments that returns one",
        )
    pair.add_argument(
        "--shape",
        type=shape,
        action="append",
        metavar="N,N,…",
        help="shape of a random input; repeat for several inputs",
    )
    pair.add_argument(
        "--inputs",
        metavar="NAME",
        help='package.module:function that returns the inputs, or {"inputs": …, "targets": …}',
    )
    pair.add_argument(
        "--map",
        type=mapping,
        action="append",
        metavar="MANUAL=REFERENCE",
        help="pair a submodule or parameter of MANUAL with one of REFERENCE, where names "
        "and order do not; repeatable",
    )
    add_data_options(parser)
    add_network_options(parser)
    [loss] = [action for action in parser._actions if action.dest == "loss"]
    loss.help = (
        f"one of {', '.join(LOSSES)}; {loss.help}. For MANUAL REFERENCE: a function "
        "of torch.nn.functional, or package.module:function"
    )
    loss.choices, loss.metavar = None, "NAME"
    group = add_comparison_options(parser)
    group.add_argument(
        "--device", default="cpu", help="device to compute on (default: %(default)s)"
    )
    group.add_argument(
        "--strict",
        action="store_true",
        help="accept only the reference's own subgradient at a kink, and no loss of "
        "accuracy that ill-conditioning explains",
    )
    group.add_argument(
        "--surrogate",
        action="append",
        default=[],
        metavar="LAYER",
        help="a layer of MANUAL whose gradient deliberately differs from its forward's "
        "derivative: reported, but not a failure; repeatable",
    )
    group.add_argument(
        "--also",
        type=checks,
        default=(),
        metavar="NAMES",
        help="additional checks, separated by commas, or all: "
        + "; ".join(f"{name} ({ask.what})" for name, ask in CHECKS.items()),
    )
    group.add_argument(
        "--repair",
        type=seconds,
        metavar="off|SECONDS",
        help="seconds to search, for each wrong gradient, for a change to the source that "
        "fixes it (default: 10)",
    )
    group.add_argument(
        "--fix",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write the changes found as a unified diff to FILE, or to stdout; the source "
        "is not modified",
    )
    group.add_argument("--html", type=new_file, metavar="FILE", help="write an HTML report")
    group.add_argument("--junit", type=new_file, metavar="FILE", help="write a JUnit report")
    group.add_argument(
        "--tensorboard",
        type=Path,
        metavar="DIR",
        help="write the report to TensorBoard as a run in DIR",
    )
    return parser


def checked_gradients(parser: OneLineParser, options: argparse.Namespace) -> argparse.Namespace:
    """The options of ``compare.gradients``, unless some do not go together; then exit code 2."""
    if options.manual is None:
        if wrong := changed(parser, options, _PAIR):
            parser.error(f"{', '.join(wrong)}: allowed only with MANUAL REFERENCE")
        if options.loss not in (None, *LOSSES):
            expected = f"expected one of {', '.join(LOSSES)}"
            parser.error(f"--loss {options.loss}: {expected}, or MANUAL REFERENCE before it")
        return checked(parser, options)
    if options.reference is None:
        parser.error("only one model is given: expected MANUAL REFERENCE")
    if wrong := changed(parser, options, _OWN):
        parser.error(
            f"{', '.join(wrong)}: not allowed with MANUAL REFERENCE; it configures the "
            "project's own network"
        )
    if bool(options.shape) == bool(options.inputs):
        parser.error(
            "expected either --shape N,N,… or --inputs package.module:function for the "
            "inputs of the two models"
        )
    return options
