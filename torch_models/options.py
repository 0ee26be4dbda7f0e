"""The command line of ``python -m torch_models.train``, without importing torch."""

import argparse
from collections.abc import Sequence
from importlib import metadata

from torch_models.arguments import (
    MOST_DEVICES,
    OneLineParser,
    batch_size,
    devices,
    folder,
    integer,
    number,
    precision,
)
from torch_models.names import (
    ACTIVATIONS,
    DATASETS,
    EPOCHS,
    LOSSES,
    NAMESPACES,
    STEPS_PER_EXECUTION,
)

#: Wider layers are more likely a slip of the finger than a wish; their weights fill the memory.
WIDEST = 65_536


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what data to use, and the seed."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--dataset",
        choices=DATASETS,
        default="auto",
        help="auto (the default) is mnist where the data folder has it or it can be downloaded, "
        "else digits, scikit-learn's 1,797 scans, with a warning",
    )
    group.add_argument(
        "--data-dir",
        type=folder,
        default="data",
        metavar="DIR",
        help="folder that has or gets MNIST/raw and FashionMNIST/raw (default: %(default)s)",
    )
    group.add_argument(
        "--seed",
        type=integer(0, 2**32 - 1),
        default=0,
        help="decides initial weights, validation images and order (default: %(default)s)",
    )


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what network to build."""
    group = parser.add_argument_group("network")
    group.add_argument(
        "--hidden",
        type=integer(1, WIDEST),
        nargs="+",
        default=[160],
        metavar="N",
        help="neurons of each hidden layer (default: 160)",
    )
    group.add_argument(
        "--activation",
        choices=ACTIVATIONS,
        default="relu",
        help="of the hidden layers (default: %(default)s)",
    )
    group.add_argument(
        "--loss",
        choices=LOSSES,
        default="cross-entropy",
        help="the output layer follows from it: logits, LogSoftmax for nll, Sigmoid for bce, mse "
        "and squared-error (default: %(default)s)",
    )


def add_descent_options(group: argparse._ArgumentGroup) -> None:
    """Learning rate and momentum of the descent."""
    group.add_argument(
        "--lr",
        type=number(lambda lr: 0 < lr <= 3e38, "above 0 that float32 can hold"),
        default=0.1,
        help="learning rate (default: %(default)s)",
    )
    group.add_argument(
        "--momentum",
        type=number(lambda momentum: 0 <= momentum < 1, "from 0 to below 1"),
        default=0.9,
        help="(default: %(default)s)",
    )


def train_parser() -> OneLineParser:
    """The parser of ``python -m torch_models.train``."""
    parser = OneLineParser(
        prog="python -m torch_models.train",
        description="Train a multilayer perceptron, its gradient computed by autograd or by hand.",
        epilog="Exit code 0: trained; 1: the loss became NaN or infinite, or the run cannot be "
        "written; 2: an option or a file is wrong; 130: interrupted.",
    )
    parser.add_argument("--version", action=Version, nargs=0, help="print the versions and exit")
    parser.add_argument(
        "--backprop",
        choices=NAMESPACES,
        help="what computes the gradient: torch.nn's autograd (the default), manual_backprop's "
        "hand-written layers, or its explicit Network, without any autograd",
    )
    parser.add_argument("--manual", action="store_true", help="short for --backprop manual")
    add_data_options(parser)
    add_network_options(parser)

    training = parser.add_argument_group("training")
    by_dataset = ", ".join(f"{epochs} for {name}" for name, epochs in EPOCHS.items())
    training.add_argument(
        "--epochs", type=integer(1), metavar="N", help=f"how often all is seen ({by_dataset})"
    )
    training.add_argument(
        "--batch-size",
        type=batch_size,
        default=128,
        metavar="N|full",
        help="images a step; full takes all of them at once (default: %(default)s)",
    )
    training.add_argument(
        "--train-size", type=integer(1), metavar="N", help="training images (default: all the rest)"
    )
    training.add_argument(
        "--val-size",
        type=integer(1),
        metavar="N",
        help="images held out for validation (default: 5,000 of MNIST, 137 of digits)",
    )
    add_descent_options(training)
    training.add_argument(
        "--momentum-form",
        choices=("torch", "ema"),
        default="torch",
        help="torch: v ← βv + g; ema, the lecture notes': v ← βv + (1 − β)g (default: %(default)s)",
    )
    training.add_argument("--compile", action="store_true", help="torch.compile the network")
    training.add_argument(
        "--steps-per-execution",
        type=integer(1, 2**31 - 1),
        default=STEPS_PER_EXECUTION,
        metavar="N",
        help="steps between two looks at loss and accuracy, and at Ctrl-C; the fewer, the slower, "
        "with the same result (default: %(default)s)",
    )

    runs = parser.add_argument_group("runs")
    runs.add_argument(
        "--log-dir",
        type=folder,
        default="lightning_logs",
        metavar="DIR",
        help="a run lies in DIR/<backprop>/version_N (default: %(default)s)",
    )
    runs.add_argument(
        "--dashboards",
        choices=("off", "lean", "full"),
        default="lean",
        help="what TensorBoard shows: off loss and accuracy alone; lean every page, for less than "
        "a tenth of the training's time; full pictures and an embedding after each epoch as well "
        "(default: %(default)s)",
    )
    runs.add_argument(
        "--resume",
        metavar="PATH|last",
        help="go on from a checkpoint, in its run's folder; last is that of the newest run of this "
        "--log-dir and --backprop. The other options must be those of that run, but --epochs may "
        "be more",
    )

    machine = parser.add_argument_group("machine (as lightning.Trainer takes them)")
    machine.add_argument("--accelerator", default="auto", help="cpu, gpu, … (default: %(default)s)")
    machine.add_argument(
        "--devices", type=devices, default="1", help="how many, or which (default: %(default)s)"
    )
    machine.add_argument(
        "--num-nodes",
        type=integer(1, MOST_DEVICES),
        default=1,
        metavar="N",
        help="machines with as many devices each, where torchrun starts the processes "
        "(default: %(default)s)",
    )
    machine.add_argument(
        "--strategy",
        choices=("auto", "ddp"),
        default="auto",
        help="ddp: each device takes its share of each batch (default: %(default)s)",
    )
    machine.add_argument(
        "--precision",
        type=precision,
        default="32-true",
        help="64-true, bf16-mixed, … (default: %(default)s)",
    )
    return parser


def parse_train(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, ``backprop`` decided; exits with code 2 and one line when they are wrong."""
    parser = train_parser()
    options = parser.parse_args(arguments)
    if options.manual and options.backprop not in (None, "manual"):
        parser.error(f"--manual contradicts --backprop {options.backprop}: give one of them")
    options.backprop = "manual" if options.manual else options.backprop or "autograd"
    if options.backprop == "explicit":
        if options.precision not in ("32-true", "64-true"):
            parser.error("--backprop explicit computes in --precision 32-true or 64-true only")
        if options.compile:
            parser.error("--compile is for autograd and manual: there is no module to compile")
        if options.devices not in ("1", "auto", "0", "0,") or options.num_nodes > 1:
            parser.error("--backprop explicit runs on one device: nothing averages its gradients")
    if options.precision == "16-true" and options.lr > 65_504:
        parser.error("--precision 16-true holds no number above 65504: choose a smaller --lr")
    if options.loss == "bce" and options.precision.endswith(("mixed", "16")):
        parser.error(
            "--loss bce takes the logarithm of rounded probabilities, which mixed precision "
            "forbids: use --loss bce-with-logits"
        )
    return options


class Version(argparse.Action):
    """Prints the versions that a report of a problem needs."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Look them up only now: it takes longer than parsing."""
        versions = []
        for package in ("manual-backprop", "torch", "lightning"):
            try:
                versions.append(f"{package} {metadata.version(package)}")
            except metadata.PackageNotFoundError:
                versions.append(f"{package} (not installed)")
        parser.exit(0, ", ".join(versions) + "\n")
