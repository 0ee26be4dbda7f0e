"""What several command lines of ``compare`` have in common, without importing torch."""

import argparse

from compare.command.argument_types import new_file
from torch_models.arguments import OneLineParser, integer
from torch_models.network_options import settle
from torch_models.recipes import RECIPES, each
from torch_models.threads import add_threads_option

DTYPES = ("float32", "float64", "bfloat16", "float16")


def add_comparison_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """The group of options that say what is compared and how."""
    group = parser.add_argument_group("comparison")
    group.add_argument(
        "--backprop",
        choices=("manual", "explicit"),
        default="manual",
        help="what to compare with autograd: the hand-written layers, or Network, which "
        "uses no autograd, in float32 or float64 (default: %(default)s)",
    )
    group.add_argument(
        "--dtype",
        choices=DTYPES,
        default="float32",
        help="dtype of both models (default: %(default)s)",
    )
    group.add_argument(
        "--batch-size",
        type=integer(1),
        metavar="N",
        help=f"samples per batch (default: {each('compared')})",
    )
    add_threads_option(group)
    group.add_argument(
        "--json", type=new_file, metavar="FILE", help="also write the result to FILE as JSON"
    )
    return group


def checked(parser: OneLineParser, options: argparse.Namespace) -> argparse.Namespace:
    """The options with the network's defaults; exits with code 2 where some contradict others."""
    options.batch_size = options.batch_size or RECIPES[options.network].compared
    settle(parser, options)
    if options.backprop == "explicit" and options.dtype not in ("float32", "float64"):
        parser.error(f"--backprop explicit has no --dtype {options.dtype}: use float32 or float64")
    return options


def changed(
    parser: OneLineParser, options: argparse.Namespace, names: tuple[str, ...]
) -> list[str]:
    """Those of the options that are not as they are by default."""
    given = (n for n in names if getattr(options, n) != parser.get_default(n))
    return [f"--{name.replace('_', '-')}" for name in given]
