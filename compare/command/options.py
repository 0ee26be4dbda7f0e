"""The command lines of ``compare``, without importing torch."""

import argparse
from pathlib import Path

from compare.checks import CHECKS
from compare.command.arguments import checks, folder, mapping, new_file, picture, shape
from torch_models.arguments import OneLineParser, integer
from torch_models.names import ACTIVATIONS, LOSSES
from torch_models.options import add_data_options, add_descent_options, add_network_options

DTYPES = ("float32", "float64", "bfloat16", "float16")
_EXIT_CODES = "Exit code 0: they agree; 1: they do not; 2: an option or a file is wrong."


def gradients_parser() -> OneLineParser:
    """The parser of ``python -m compare.gradients``."""
    parser = OneLineParser(
        prog="python -m compare.gradients",
        usage="%(prog)s [MANUAL REFERENCE --shape N,N] [options]",
        description="Compare every gradient of two models, by hand against autograd: same weights, "
        "same inputs, one row for each tensor in backward order, a verdict for each layer by "
        "itself, and what is wrong where something is. Without MANUAL and REFERENCE: our own "
        "multilayer perceptron on a batch of real data.",
        epilog=f"δ of a layer is ∂L/∂(its output). {_EXIT_CODES}",
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
    group = _add_comparison_options(parser)
    group.add_argument("--device", default="cpu", help="to compute on (default: %(default)s)")
    group.add_argument(
        "--strict",
        action="store_true",
        help="at a kink, accept the reference's own subgradient only",
    )
    group.add_argument(
        "--also",
        type=checks,
        default=(),
        metavar="NAMES",
        help="further checks, separated by commas, or all: "
        + "; ".join(f"{name} ({ask.what})" for name, ask in CHECKS.items()),
    )
    group.add_argument("--html", type=new_file, metavar="FILE", help="write a page about it")
    group.add_argument("--junit", type=new_file, metavar="FILE", help="write a JUnit report")
    group.add_argument("--tensorboard", type=Path, metavar="DIR", help="write a run there")
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
    training.add_argument(
        "--log-dir",
        type=folder,
        metavar="DIR",
        help="draw the gradients' disagreement in TensorBoard, beside the runs of "
        "torch_models.train: in DIR/<backprop>-against-autograd/version_N",
    )
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
        "--json", type=new_file, metavar="FILE", help="write the outcome there as well"
    )
    return group


def checked(parser: OneLineParser, options: argparse.Namespace) -> argparse.Namespace:
    """The options, unless two of them contradict each other; then exit with code 2."""
    if options.backprop == "explicit" and options.dtype not in ("float32", "float64"):
        parser.error(f"--backprop explicit has no --dtype {options.dtype}: use float32 or float64")
    return options


def _given(parser: OneLineParser, options: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    """Those of the options that are not as they are by default."""
    changed = (n for n in names if getattr(options, n) != parser.get_default(n))
    return [f"--{name.replace('_', '-')}" for name in changed]


#: Options that only our own network has, and only any two models have.
_OWN = ("dataset", "data_dir", "hidden", "activation", "backprop", "batch_size")
_PAIR = ("shape", "inputs", "map")


def checked_gradients(parser: OneLineParser, options: argparse.Namespace) -> argparse.Namespace:
    """The options of ``compare.gradients``, unless some do not go together; then exit code 2."""
    if options.manual is None:
        if wrong := _given(parser, options, _PAIR):
            parser.error(f"{', '.join(wrong)}: only with MANUAL REFERENCE, two models to compare")
        if options.loss not in LOSSES:
            expected = f"expected one of {', '.join(LOSSES)}"
            parser.error(f"--loss {options.loss}: {expected}, or MANUAL REFERENCE before it")
        return checked(parser, options)
    if options.reference is None:
        parser.error("one model alone: expected MANUAL REFERENCE, the second one to compare with")
    if wrong := _given(parser, options, _OWN):
        parser.error(f"{', '.join(wrong)}: not with MANUAL REFERENCE, only for our own network")
    if bool(options.shape) == bool(options.inputs):
        parser.error(
            "expected either --shape N,N,… or --inputs package.module:function to say what the two "
            "models are given"
        )
    if options.loss == parser.get_default("loss"):
        options.loss = None
    return options


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
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write the outcome there")
    return parser


def mutants_parser() -> OneLineParser:
    """The parser of ``python -m compare.mutants``."""
    parser = OneLineParser(
        prog="python -m compare.mutants",
        description="Check the checker: plant bugs in hand-written backwards of every kind and see "
        "that each is found, blamed on its layer and called what it is, and that right backwards "
        "written otherwise are not accused; beside it, what the rules of others make of them.",
        epilog="Exit code 0: all found and blamed, nine of ten diagnosed, nobody accused; 1: not "
        "so; 2: an option or a file is wrong.",
    )
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write the outcome there")
    return parser


def speed_parser() -> OneLineParser:
    """The parser of ``python -m compare.speed``."""
    parser = OneLineParser(
        prog="python -m compare.speed",
        description="Time a training step by autograd, by hand-written layers, by Network, and by "
        "NumPy, JAX and scikit-learn where they are installed: in turn in one process, medians, "
        "ratios to autograd and to the step's matrix products alone. The gradients are compared "
        "first.",
        epilog="Exit code 0: measured; 1: a gradient is wrong; 2: an option or a file is wrong.",
    )
    for name, value, what in (
        ("--batch-size", 128, "samples a step"),
        ("--hidden", 160, "neurons of each hidden layer"),
        ("--depth", 1, "hidden layers"),
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
        help="of the hidden layers; with another than relu, those who have written it: autograd, "
        "manual and explicit (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds",
        type=integer(2),
        metavar="N",
        help="how often each candidate has its turn, at least 2 (default: 30; 3 with --loop)",
    )
    parser.add_argument("--eager", action="store_true", help="leave out what is compiled")
    parser.add_argument(
        "--device",
        default="cpu",
        help="to compute on; those beside PyTorch take part on the CPU only (default: %(default)s)",
    )
    parser.add_argument(
        "--sweep",
        action="store_true",
        help="vary batch, width and depth instead, and give the ratios to autograd",
    )
    parser.add_argument(
        "--plot", type=picture, metavar="FILE", help="draw the sweep there: a PNG, SVG or PDF"
    )
    parser.add_argument(
        "--loop",
        action="store_true",
        help="time whole epochs instead: a bare loop, torch_models.train, and Lightning with "
        "torchvision's transforms, of the notes' network on data of MNIST's shape (minutes)",
    )
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write the outcome there")
    return parser


#: What a measurement of compare.speed decides by itself.
_FIXED = {
    "loop": ("hidden", "depth", "batch_size", "activation", "eager", "device"),
    "sweep": ("eager",),
}


def checked_speed(parser: OneLineParser, options: argparse.Namespace) -> argparse.Namespace:
    """The options of ``compare.speed``, unless some do not go together; then exit code 2."""
    if options.loop and options.sweep:
        parser.error("--loop and --sweep are two different measurements: give one of them")
    for measurement, names in _FIXED.items():
        if getattr(options, measurement) and (wrong := _given(parser, options, names)):
            parser.error(f"--{measurement} has settings of its own: leave out {', '.join(wrong)}")
    if options.plot and not options.sweep:
        parser.error("--plot draws the sweep: expected --sweep with it")
    options.rounds = options.rounds or (3 if options.loop else 30)
    return options
