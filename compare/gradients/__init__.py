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
        description="Compare every gradient of two models, by hand against autograd: same weights, "
        "same inputs, one row for each tensor in backward order, a verdict for each layer by "
        "itself, and what is wrong where something is. Without MANUAL and REFERENCE: one of our "
        "own networks on a batch of real data.",
        epilog=f"δ of a layer is ∂L/∂(its output). {EXIT_CODES}",
    )
    pair = parser.add_argument_group("any two models")
    for side, which in (("manual", "the one in question"), ("reference", "the trusted one")):
        pair.add_argument(
            side,
            nargs="?",
            metavar=side.upper(),
            help=f"{which}: package.module:Name or path/to/file.py:Name, of a module, a function, "
            "or a function without arguments that makes one",
        )
    pair.add_argument(
        "--shape",
        type=shape,
        action="append",
        metavar="N,N,…",
        help="of a random input; repeat it for several inputs",
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
        help="names of submodules or parameters that belong together, where names and order do not "
        "tell; repeat it for several",
    )
    add_data_options(parser)
    add_network_options(parser)
    [loss] = [action for action in parser._actions if action.dest == "loss"]
    loss.help = (
        f"one of {', '.join(LOSSES)}; {loss.help}. Of any two models: a function of "
        "torch.nn.functional, or as above"
    )
    loss.choices, loss.metavar = None, "NAME"
    group = add_comparison_options(parser)
    group.add_argument("--device", default="cpu", help="to compute on (default: %(default)s)")
    group.add_argument(
        "--strict",
        action="store_true",
        help="at a kink, accept the reference's own subgradient only",
    )
    group.add_argument(
        "--surrogate",
        action="append",
        default=[],
        metavar="LAYER",
        help="a layer of MANUAL whose gradient is another one than its forward's on purpose: "
        "reported, not failed; repeat it for several",
    )
    group.add_argument(
        "--also",
        type=checks,
        default=(),
        metavar="NAMES",
        help="further checks, separated by commas, or all: "
        + "; ".join(f"{name} ({ask.what})" for name, ask in CHECKS.items()),
    )
    group.add_argument(
        "--repair",
        type=seconds,
        metavar="off|SECONDS",
        help="how long to look, for each wrong gradient, for the change of the source that makes "
        "it right (default: 10)",
    )
    group.add_argument(
        "--fix",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write the changes as a unified diff, to stdout without a FILE; no source is touched",
    )
    group.add_argument("--html", type=new_file, metavar="FILE", help="write a page about it")
    group.add_argument("--junit", type=new_file, metavar="FILE", help="write a JUnit report")
    group.add_argument("--tensorboard", type=Path, metavar="DIR", help="write a run there")
    return parser


def checked_gradients(parser: OneLineParser, options: argparse.Namespace) -> argparse.Namespace:
    """The options of ``compare.gradients``, unless some do not go together; then exit code 2."""
    if options.manual is None:
        if wrong := changed(parser, options, _PAIR):
            parser.error(f"{', '.join(wrong)}: only with MANUAL REFERENCE, two models to compare")
        if options.loss not in (None, *LOSSES):
            expected = f"expected one of {', '.join(LOSSES)}"
            parser.error(f"--loss {options.loss}: {expected}, or MANUAL REFERENCE before it")
        return checked(parser, options)
    if options.reference is None:
        parser.error("one model alone: expected MANUAL REFERENCE, the second one to compare with")
    if wrong := changed(parser, options, _OWN):
        parser.error(f"{', '.join(wrong)}: not with MANUAL REFERENCE, only for our own network")
    if bool(options.shape) == bool(options.inputs):
        parser.error(
            "expected either --shape N,N,… or --inputs package.module:function to say what the two "
            "models are given"
        )
    return options
