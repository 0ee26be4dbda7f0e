"""The command line of ``python -m torch_models.train``, without importing torch."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from importlib import metadata

from torch_models.arguments import (
    MOST_DEVICES,
    OneLineParser,
    batch_size,
    devices,
    folder,
    integer,
    precision,
)
from torch_models.names import (
    NAMESPACES,
    STEPS_PER_EXECUTION,
    TEXT_TRAINING,
)
from torch_models.network_options import (
    add_data_options,
    add_descent_options,
    add_network_options,
    settle,
)
from torch_models.recipes import each, each_epochs
from torch_models.threads import add_threads_option


def train_parser() -> OneLineParser:
    """The parser of ``python -m torch_models.train``."""
    parser = OneLineParser(
        prog="python -m torch_models.train",
        description="Train a network, with autograd or with hand-written gradients.",
        epilog="Exit code 0: trained; 1: the loss became NaN or infinite, or the run cannot be "
        "written; 2: an option or a file is wrong; 130: interrupted.",
    )
    parser.add_argument("--version", action=Version, nargs=0, help="print the versions and exit")
    parser.add_argument(
        "--backprop",
        choices=NAMESPACES,
        help="how the gradient is computed: by torch.nn and autograd (the default), by "
        "manual_backprop's hand-written layers, or by its explicit Network without any autograd",
    )
    parser.add_argument("--manual", action="store_true", help="short for --backprop manual")
    add_data_options(parser)
    add_network_options(parser)

    training = parser.add_argument_group("training")
    training.add_argument(
        "--epochs",
        type=integer(1),
        metavar="N",
        help=f"passes over the training data (default: {each_epochs()})",
    )
    training.add_argument(
        "--batch-size",
        type=batch_size,
        metavar="N|full",
        help="images or sequences per step; full takes all at once (default: "
        f"{each('batch_size')})",
    )
    training.add_argument(
        "--train-size",
        type=integer(1),
        metavar="N",
        help=f"training images or sequences (default: all that are not held out; "
        f"{TEXT_TRAINING:,} for text)",
    )
    training.add_argument(
        "--val-size",
        type=integer(1),
        metavar="N",
        help="images or sequences held out for validation (default: 5,000 for MNIST, 137 "
        "for digits, 500 for text)",
    )
    add_descent_options(training)
    training.add_argument(
        "--momentum-form",
        choices=("torch", "ema"),
        default="torch",
        help="torch: v ← βv + g; ema, as in the lecture notes: v ← βv + (1 − β)g (default: "
        "%(default)s)",
    )
    training.add_argument("--compile", action="store_true", help="torch.compile the network")
    training.add_argument(
        "--steps-per-execution",
        type=integer(1, 2**31 - 1),
        default=STEPS_PER_EXECUTION,
        metavar="N",
        help="optimiser steps in each Lightning step; loss, accuracy and Ctrl-C are "
        "handled between them. Smaller is slower, with the same result (default: %(default)s)",
    )

    runs = parser.add_argument_group("runs")
    runs.add_argument(
        "--log-dir",
        type=folder,
        default="lightning_logs",
        metavar="DIR",
        help="runs are written to DIR/<backprop>/version_N or, for networks other than mlp, "
        "to DIR/<network>-<backprop>/version_N (default: %(default)s)",
    )
    runs.add_argument(
        "--dashboards",
        choices=("off", "lean", "full"),
        default="lean",
        help="what to log for TensorBoard: off: loss, accuracy and a page of text; lean: "
        "every page, for less than a tenth of the training time; full: also pictures and "
        "an embedding after each epoch (default: %(default)s)",
    )
    runs.add_argument(
        "--resume",
        metavar="PATH|last",
        help="continue from a checkpoint, in the folder of its run; last takes the newest "
        "run with this --log-dir, --network and --backprop. The other options must match "
        "that run, but --epochs may be larger",
    )

    machine = parser.add_argument_group("machine (passed to lightning.Trainer)")
    machine.add_argument("--accelerator", default="auto", help="cpu, gpu, … (default: %(default)s)")
    machine.add_argument(
        "--devices",
        type=devices,
        default="1",
        help="number of devices, or their indices (default: %(default)s)",
    )
    machine.add_argument(
        "--num-nodes",
        type=integer(1, MOST_DEVICES),
        default=1,
        metavar="N",
        help="number of machines, when torchrun starts the processes (default: %(default)s)",
    )
    machine.add_argument(
        "--strategy",
        choices=("auto", "ddp"),
        default="auto",
        help="ddp: each device takes a share of each batch (default: %(default)s)",
    )
    add_threads_option(machine)
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
    given = sys.argv[1:] if arguments is None else arguments
    options.command = shlex.join(["python", "-m", "torch_models.train", *given])
    settle(parser, options)
    if options.backprop == "explicit":
        if options.precision not in ("32-true", "64-true"):
            parser.error("--backprop explicit supports only --precision 32-true and 64-true")
        if options.compile:
            parser.error(
                "--compile does not work with --backprop explicit: there is no module to compile"
            )
        if options.devices not in ("1", "auto", "0", "0,") or options.num_nodes > 1:
            parser.error(
                "--backprop explicit runs on one device only: nothing averages its gradients"
            )
    if options.precision == "16-mixed" and options.clip:
        parser.error(
            "--precision 16-mixed scales the gradients that --clip measures: choose bf16-mixed, or "
            "--clip 0"
        )
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
