"""``python -m torch_models.predict RUN IMAGE…``: which digit a picture shows, by a trained run."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from torch_models import extras, threads
from torch_models.arguments import OneLineParser
from torch_models.printable import one_line, printable
from torch_models.streams import kept, streams
from torch_models.while_importing import ended_at_once

#: Digits in a row of the table, the likeliest first.
SHOWN = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 told, 2 bad input)."""
    parser = predict_parser()
    options = parser.parse_args(arguments)
    threads.wait_briefly()
    try:
        with ended_at_once(parser.prog, signal.SIGINT), extras.named():
            from torch_models.drawn_digit import PictureError
            from torch_models.resume import CheckpointError
    except extras.MissingExtraError as error:
        streams().err.write(f"{parser.prog}: error: {error}\n")
        return 2
    with kept():
        try:
            predict(options)
        except (CheckpointError, PictureError) as error:
            streams().err.write(f"{parser.prog}: error: {one_line(error)}\n")
            return 2
    return 0


def predict_parser() -> OneLineParser:
    """The parser of ``python -m torch_models.predict``."""
    parser = OneLineParser(
        prog="python -m torch_models.predict",
        description="Say which digit a picture shows. The picture may have any size, dark "
        "on light or light on dark: it is scaled and centred like the digits of MNIST.",
        epilog="Exit code 0: done; 2: a file is wrong.",
    )
    parser.add_argument(
        "run",
        type=Path,
        metavar="RUN",
        help="folder of a trained run, such as lightning_logs/manual/version_0, or a checkpoint",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a picture: PNG, JPEG, …")
    threads.add_threads_option(parser, "1, as a picture is small")
    return parser


def predict(options: argparse.Namespace) -> None:
    """Print a table with a row for each picture.

    Raises:
        CheckpointError: there is no checkpoint, or not of a network that reads digits.
        PictureError: a picture cannot be read.
    """
    import torch
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from torch_models.drawn_digit import read

    threads.use(options.threads, most=1)
    classifier = load(checkpoint_of(options.run))
    x = torch.stack([read(path) for path in options.images])
    with torch.no_grad():
        found = classifier.probabilities(x).topk(SHOWN)
    view = Table(
        title=Text(f"{printable(str(options.run))}, {threads.number()}"), title_justify="left"
    )
    view.add_column("picture", overflow="fold")
    view.add_column("digit", justify="right")
    view.add_column("probability", justify="right")
    view.add_column("alternatives")
    for path, shares, digits in zip(options.images, *(f.tolist() for f in found), strict=True):
        others = zip(digits[1:], shares[1:], strict=True)
        also = ", ".join(f"{digit} ({share:.1%})" for digit, share in others)
        view.add_row(Text(printable(path)), str(digits[0]), f"{shares[0]:.1%}", also)
    out = streams().out
    Console(file=out, width=None if out.isatty() else 100, highlight=False).print(view)  # type: ignore[arg-type]


def checkpoint_of(run: Path) -> Path:
    """The run's best checkpoint, else its last, or ``run`` itself where it is a file.

    Raises:
        CheckpointError: there is none.
    """
    from torch_models.resume import CheckpointError

    if not run.is_dir():
        return run
    found = [run / "checkpoints" / name for name in ("best.ckpt", "last.ckpt")]
    for path in found:
        if path.exists():
            return path
    raise CheckpointError(f"{run} has no checkpoint: expected {found[0]}")


def load(path: Path):
    """The classifier that the checkpoint holds, for inference on the CPU.

    Raises:
        CheckpointError: it cannot be read, or reads no pictures of 28 × 28.
    """
    from torch_models.classifier import Classifier
    from torch_models.resume import CheckpointError, read

    contents = read(path)
    try:
        classifier = Classifier(**contents["hyper_parameters"])
        classifier.load_state_dict(contents["state_dict"])
    except (TypeError, ValueError, RuntimeError, KeyError) as error:
        raise CheckpointError(f"{path} holds no network of torch_models.train: {error}") from error
    if not classifier.reads_pictures:
        raise CheckpointError(
            f"{path} holds a network that does not read pictures of 28 × 28: choose another run"
        )
    return classifier.eval()


if __name__ == "__main__":
    sys.exit(main())
