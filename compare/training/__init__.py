"""``python -m compare.training``: does a training by hand stay the same as autograd's.

One of our own networks on real data. For any two models there is ``compare.train_in_lockstep``,
which also says what passes when the two are not the same bit for bit.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING

from compare.command.argument_types import folder
from compare.command.exit import EXIT_CODES, exit_code
from compare.command.shared_options import add_comparison_options, checked
from torch_models import extras
from torch_models.arguments import OneLineParser, integer
from torch_models.names import run_name
from torch_models.network_options import add_data_options, add_descent_options, add_network_options
from torch_models.recipes import most_threads

if TYPE_CHECKING:
    from compare.training.disagreement import Disagreement
    from compare.training.lockstep import Batch, Training


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 the same, 1 not, 2 bad input)."""
    parser = training_parser()
    options = checked(parser, parser.parse_args(arguments))
    # From here on it takes seconds to import; --help and wrong options have been answered.
    return exit_code(
        parser.prog,
        lambda: _compare(options),
        threads=options.threads,
        most_threads=most_threads(options.network, options.batch_size, options.hidden),
    )


def training_parser() -> OneLineParser:
    """The parser of ``python -m compare.training``."""
    parser = OneLineParser(
        prog="python -m compare.training",
        description="Train a network twice in lockstep, with hand-written gradients and "
        "with autograd, on the same batches, and report where the two first differ.",
        epilog=EXIT_CODES,
    )
    add_data_options(parser)
    add_network_options(parser)
    training = add_comparison_options(parser)
    training.add_argument(
        "--epochs", type=integer(1), default=1, metavar="N", help="epochs to train (default: 1)"
    )
    training.add_argument(
        "--steps",
        type=integer(1),
        metavar="N",
        help="stop after N steps (default: all of --epochs)",
    )
    add_descent_options(training)
    training.add_argument(
        "--log-dir",
        type=folder,
        metavar="DIR",
        help="plot the difference of the gradients in TensorBoard, next to the runs of "
        "torch_models.train: in DIR/<backprop>-against-autograd/version_N or, for networks other "
        "than mlp, in DIR/<network>-<backprop>-against-autograd/version_N",
    )
    return parser


def _compare(options: argparse.Namespace) -> bool:
    if options.log_dir:
        extras.need("lightning", "--log-dir")
    from compare.command import console, our_network
    from compare.command.writing import write_json
    from compare.comparison.explicit_gradients import LockstepExplicit
    from compare.training.lockstep import train_in_lockstep

    samples = our_network.load(options)
    manual = our_network.built(options.backprop, options)
    explicit = LockstepExplicit(options.activation, options.loss)
    reference = our_network.built("autograd", options)
    batches = samples.training_batches(options.batch_size, options.seed)
    steps = min(options.epochs * len(batches), options.steps or sys.maxsize)

    def all_batches() -> "Iterator[Batch]":
        for epoch in range(options.epochs):
            for x, labels in batches.of_epoch(epoch):
                yield our_network.as_input(x, options), labels

    out = console.stdout()
    console.say(
        out,
        f"{options.backprop} against autograd: {our_network.describe(options, samples)}, "
        f"{steps} steps of {min(options.batch_size, len(batches.samples))}, lr {options.lr:g}, "
        f"momentum {options.momentum:g}, seed {options.seed}",
        "bold",
    )
    with (
        console.progress(out, "training both", steps) as advance,
        _drawn(options) as draw,
    ):
        training = train_in_lockstep(
            manual.network,
            reference.network,
            islice(all_batches(), steps),
            loss=(manual.loss, reference.loss),
            lr=options.lr,
            momentum=options.momentum,
            warmup=options.warmup,
            half_life=options.half_life,
            clip=options.clip,
            on_step=lambda _: advance(),
            on_gradients=draw or (lambda *_: None),
            way=explicit if options.backprop == "explicit" else None,
        )
    for line in _in_words(training):
        console.say(out, line)
    console.say(out, _summary(training), "green" if training.passed else "bold red")
    if draw:
        console.say(out, f"curves in {draw.run}: tensorboard --logdir {options.log_dir}")
    if options.json:
        facts = {"dataset": samples.name, "dtype": options.dtype, "seed": options.seed}
        write_json(options.json, {**training.as_json(), **facts})
    return training.passed


def _drawn(options: argparse.Namespace) -> AbstractContextManager["Disagreement | None"]:
    if not options.log_dir:
        return nullcontext()
    from compare.training.disagreement import Disagreement

    return Disagreement(options.log_dir, run_name(options.network, options.backprop))


def _in_words(training: "Training") -> list[str]:
    from compare.comparison.told import describe

    lines = []
    if training.first is not None:
        lines += [f"first difference at step {training.first_step}: {describe(training.first)}"]
        lines += [f"largest difference of a weight after any step: {training.max_abs:.3g}"]
    if training.report is not None and not training.report.passed:
        lines += [f"gradients at step {training.steps}, both at manual's weights:"]
        lines += [describe(row) for row in training.report.failures]
    return lines


def _summary(training: "Training") -> str:
    steps = f"{training.steps} step{'s' if training.steps > 1 else ''}"
    if training.problem:
        return f"FAILED after {steps}: {training.problem}"
    if training.bitwise:
        return f"passed: {steps}, every loss, gradient and weight bit-for-bit identical"
    if training.report is not None and not training.report.passed:
        return f"{training.report.summary()}, after {steps}"
    return f"passed: {steps}, not bit-for-bit identical, but every gradient judged is correct"
