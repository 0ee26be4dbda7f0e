"""The options of each exercise command."""

import argparse
from pathlib import Path

from compare.command.argument_types import new_file
from torch_models.arguments import integer


def of_folder(parser: argparse.ArgumentParser) -> None:
    """The folder that holds the exercises."""
    parser.add_argument(
        "--dir",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder of the exercises (default: current folder)",
    )
    _seeded(parser)


def _seeded(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed",
        type=integer(0, 2**32 - 1),
        default=0,
        metavar="N",
        help="seed of the numbers that answers are tested on (default: %(default)s)",
    )


def named(parser: argparse.ArgumentParser) -> None:
    """One exercise of the folder."""
    parser.add_argument("name", metavar="NAME", help="name or number of an exercise")
    of_folder(parser)


def perhaps_named(parser: argparse.ArgumentParser) -> None:
    """One exercise of the folder, or the next one."""
    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="name or number of an exercise (default: the next one)",
    )
    of_folder(parser)


def _only(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only",
        metavar="NAMES",
        help="only these exercises: names or numbers, such as softmax,3,10-14",
    )


def start(parser: argparse.ArgumentParser) -> None:
    """A new folder, and what to put into it."""
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="folder to put them into; created if missing"
    )
    _only(parser)


def listing(parser: argparse.ArgumentParser) -> None:
    """Some exercises of the folder."""
    of_folder(parser)
    _only(parser)


def solution(parser: argparse.ArgumentParser) -> None:
    """One exercise of the folder, whether it is solved or not."""
    named(parser)
    parser.add_argument("--give-up", action="store_true", help="show it even if it is not solved")


def grade(parser: argparse.ArgumentParser) -> None:
    """A learner's folder, and how to print what is solved."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="the learner's folder")
    parser.add_argument("--json", action="store_true", help="print JSON, for machines")
    _only(parser)
    _seeded(parser)


def selftest(parser: argparse.ArgumentParser) -> None:
    """Some exercises, and a file for the result."""
    parser.add_argument(
        "--json", type=new_file, metavar="FILE", help="write the result to FILE as JSON"
    )
    _only(parser)
    _seeded(parser)
