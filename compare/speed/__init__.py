"""``python -m compare.speed``: does a hand-written backward pay, and how near is the limit.

Every candidate takes the same steps of stochastic gradient descent with momentum on the same data,
in turn in one process, and its median is set against autograd's and against the limit: the step's
matrix products alone. The gradients are compared first; a wrong one gets no speed.
"""

import argparse
from collections.abc import Sequence

from compare.command.argument_types import new_file, picture
from compare.command.exit import NOT_DONE, exit_code
from compare.command.shared_options import changed
from torch_models.arguments import OneLineParser, integer, number
from torch_models.names import ACTIVATIONS
from torch_models.network_options import add_network_option
from torch_models.threads import add_threads_option, kept_to


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 measured, 1 a wrong gradient, 2 bad input)."""
    parser = speed_parser()
    options = checked_speed(parser, parser.parse_args(arguments))
    # Steps on one: what the ways to take them cost depends least on the machine there.
    with kept_to(options.threads, None if options.pays else 1) as threads:
        # From here on it takes seconds to import; --help and wrong options have been answered.
        return exit_code(parser.prog, lambda: _measure(options), threads=threads)


def _measure(options: argparse.Namespace) -> bool:
    from compare.speed.measurements import measure

    return measure(options)


def speed_parser() -> OneLineParser:
    """The parser of ``python -m compare.speed``."""
    parser = OneLineParser(
        prog="python -m compare.speed",
        description="Time a training step with autograd, the hand-written layers and Network, "
        "and with NumPy, JAX and scikit-learn if they are installed: in turn in one process, on as "
        "many cores as there are threads. Prints medians, and their ratios to autograd and to the "
        "step's matrix products alone. Networks other than mlp: autograd and the hand-written "
        "layers only. Gradients are compared first.",
        epilog="Exit code 0: measured; 1: a gradient is wrong; " + NOT_DONE,
    )
    add_network_option(parser)
    for name, value, what in (
        ("--batch-size", 128, "samples per step"),
        ("--hidden", 160, "mlp only: neurons of each hidden layer"),
        ("--depth", 1, "mlp only: number of hidden layers"),
    ):
        parser.add_argument(
            name,
            type=integer(1),
            default=value,
            metavar="N",
            help=f"{what} (default: %(default)s)",
        )
    parser.add_argument(
        "--activation",
        choices=ACTIVATIONS,
        default="relu",
        help="mlp only: activation of the hidden layers; with any other than relu, only autograd, "
        "manual and explicit are timed (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds",
        type=integer(2),
        metavar="N",
        help="measurements of each candidate, at least 2 (default: as many as fit into a minute, "
        "from 5 to 30; 30 with --sweep, 3 with --loop and --pays)",
    )
    parser.add_argument(
        "--eager",
        action="store_true",
        help="skip the compiled variants",
    )
    parser.add_argument(
        "--device",
        default="cpu",
        help="device to compute on; NumPy, JAX and scikit-learn are timed on the CPU only "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--sweep",
        action="store_true",
        help="instead, vary batch size, width and depth, and print the ratios to autograd",
    )
    parser.add_argument(
        "--pays",
        action="store_true",
        help="instead, measure the layers that keep less memory than autograd: time, memory kept "
        "for the backward and peak memory, as ratios to autograd and to the best that PyTorch "
        "offers; with --plot also peak memory over sequence length and vocabulary (takes minutes)",
    )
    parser.add_argument(
        "--memory",
        type=number(lambda gib: gib > 0, "above 0"),
        metavar="GIB",
        help="with --pays --plot: GiB of memory available, drawn as a line (default: 4)",
    )
    parser.add_argument(
        "--plot",
        type=picture,
        metavar="FILE",
        help="with --sweep or --pays: draw the result into FILE, a PNG, SVG or PDF",
    )
    parser.add_argument(
        "--loop",
        action="store_true",
        help="instead, time whole epochs of the default network on data shaped like MNIST: by "
        "torch_models.train, by a bare loop, and by Lightning with torchvision's transforms "
        "(takes minutes)",
    )
    add_threads_option(parser, "1; with --pays the number of idle cores")
    parser.add_argument(
        "--json", type=new_file, metavar="FILE", help="write the result to FILE as JSON"
    )
    return parser


#: What a measurement of compare.speed decides by itself.
_FIXED = {
    "loop": ("network", "hidden", "depth", "batch_size", "activation", "eager", "device"),
    "sweep": ("network", "eager"),
    "pays": ("network", "hidden", "depth", "batch_size", "activation", "eager"),
}
#: What is said of the perceptron alone.
_OF_MLP = ("hidden", "depth", "activation")


def checked_speed(parser: OneLineParser, options: argparse.Namespace) -> argparse.Namespace:
    """The options of ``compare.speed``, unless some do not go together; then exit code 2."""
    given = [f"--{name}" for name in _FIXED if getattr(options, name)]
    if len(given) > 1:
        parser.error(f"{' and '.join(given)} are different measurements: give one of them")
    for measurement, names in _FIXED.items():
        if getattr(options, measurement) and (wrong := changed(parser, options, names)):
            parser.error(f"--{measurement} has settings of its own: leave out {', '.join(wrong)}")
    if options.network != "mlp" and (wrong := changed(parser, options, _OF_MLP)):
        parser.error(f"{', '.join(wrong)}: only mlp has that: leave it out with another --network")
    if options.plot and not (options.sweep or options.pays):
        parser.error("--plot draws the sweep or --pays: expected one of them with it")
    if options.memory is not None and not (options.pays and options.plot):
        parser.error(
            "--memory is a line in the plot of --pays: expected --pays --plot FILE with it"
        )
    options.memory = options.memory or 4.0
    if options.rounds is None and any(getattr(options, name) for name in _FIXED):
        options.rounds = 30 if options.sweep else 3
    return options
