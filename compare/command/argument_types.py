"""What the words on the command lines of ``compare`` may be."""

import argparse
import tempfile
from pathlib import Path

from compare.checks import CHECKS
from torch_models.outputs import require_writable

#: What a drawing can be written as.
PICTURES = (".png", ".svg", ".pdf")


def shape(text: str) -> tuple[int, ...]:
    """Sizes; none of a number without dimensions."""
    try:
        sizes = tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        sizes = (-1,)
    if any(size < 0 for size in sizes):
        raise argparse.ArgumentTypeError(f"expected sizes such as 64,784, got {text!r}")
    return sizes


def mapping(text: str) -> tuple[str, str]:
    """The names of a layer on both sides."""
    ours, equals, theirs = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected MANUAL=REFERENCE, got {text!r}")
    return ours, theirs


def checks(text: str) -> tuple[str, ...]:
    """What is asked in addition."""
    names = tuple(CHECKS) if text == "all" else tuple(text.split(","))
    for name in names:
        if name not in CHECKS:
            raise argparse.ArgumentTypeError(
                f"there is no check {name!r}: expected all, or some of {', '.join(CHECKS)}"
            )
    return names


def seconds(text: str) -> float:
    """How long something may take; 0 for ``off``."""
    try:
        found = 0.0 if text == "off" else float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise argparse.ArgumentTypeError(f"expected off or a number of seconds, got {text!r}")
    return found


def new_file(text: str) -> Path:
    """A file that can be written, found out now and not after minutes of work."""
    try:
        path = Path(text).absolute()  # where it is now: imported code may go elsewhere
        require_writable(path)
    except IsADirectoryError:
        raise argparse.ArgumentTypeError(f"expected a file, but {text} is a folder") from None
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(
            f"{text} cannot be written ({_reason(error)}): choose another file"
        ) from None
    return path


def picture(text: str) -> Path:
    """A file that can be written, of a kind that matplotlib draws."""
    if Path(text).suffix.lower() not in PICTURES:
        raise argparse.ArgumentTypeError(
            f"expected a name that ends in {', '.join(PICTURES)}, got {text!r}"
        )
    return new_file(text)


def folder(text: str) -> Path:
    """A folder that can be written to, made if need be."""
    try:
        path = Path(text).absolute()
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(
            f"{text} cannot be written ({_reason(error)}): choose another folder"
        ) from None
    return path


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
