"""What the words on a command line may be, and how it is said that they are not."""

import argparse
import math
import os
from collections.abc import Callable
from typing import NoReturn

from torch_models.printable import one_line

#: Nobody reads more.
MOST_USAGE_LINES = 3
#: No machine has as many: a slip of the finger.
MOST_DEVICES = 4_096


class OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line on stderr and exit code 2."""

    def __init__(self, **settings) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def format_help(self) -> str:
        """The help; a usage of many lines gives way to the list of options that follows it."""
        if self.usage is None and len(self.format_usage().splitlines()) > MOST_USAGE_LINES:
            given = [action.metavar for action in self._actions if not action.option_strings]
            self.usage = " ".join(["%(prog)s", "[options]", *map(str, given)])
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Say what was wrong, without the whole usage in front of it."""
        self.exit(2, f"{self.prog}: error: {one_line(message)} (--help lists the options)\n")


def integer(at_least: int, at_most: int | None = None) -> Callable[[str], int]:
    """An argparse type: a whole number within limits."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None
        if number < at_least or (at_most is not None and number > at_most):
            limit = f"from {at_least} to {at_most}" if at_most is not None else f"≥ {at_least}"
            raise argparse.ArgumentTypeError(f"expected a whole number {limit}, got {text}")
        return number

    return parse


def number(accept: Callable[[float], bool], wanted: str) -> Callable[[str], float]:
    """An argparse type: a finite number that ``accept`` accepts, described by ``wanted``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or not accept(value):
            raise argparse.ArgumentTypeError(f"expected a number {wanted}, got {text!r}")
        return value

    return parse


def folder(text: str) -> str:
    """A folder of this machine's; what Lightning would expand is expanded here, for all of us."""
    if "://" in text or "\0" in text:
        raise argparse.ArgumentTypeError(f"expected a local folder, got {text!r}")
    return os.path.expandvars(os.path.expanduser(text))


def precision(text: str) -> str:
    """Lightning's short names, under which it warns, as its long ones."""
    short = {"64": "64-true", "32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}
    return short.get(text, text)


def batch_size(text: str) -> int | str:
    """So many samples, or all of them."""
    return text if text == "full" else integer(1, 2**31 - 1)(text)


def devices(text: str) -> str:
    """As Lightning takes it; but for each device that is asked for it makes room first."""
    return str(integer(1, MOST_DEVICES)(text)) if text.isdecimal() and text != "0" else text
