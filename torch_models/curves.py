"""``python -m torch_models.curves``: the four curves of all ways, overlaid in one picture.

Training and validation loss and accuracy per epoch, as lecture note 001 draws them, read back from
the newest run of each way of computing the network's gradient. TensorBoard shows the same, alive.
"""

import io
import math
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from torch_models import extras
from torch_models.arguments import OneLineParser
from torch_models.names import run_name
from torch_models.network_options import add_network_option
from torch_models.outputs import NotWrittenError, require_writable, write
from torch_models.printable import printable
from torch_models.streams import streams
from torch_models.while_importing import ended_at_once

#: One colour and one dash for each way: equal curves lie on each other and must both be seen.
STYLES = {
    "autograd": {"color": "#E69F00", "linewidth": 5, "alpha": 0.6},
    "manual": {"color": "#0072B2", "linewidth": 2},
    "explicit": {"color": "#D55E00", "linewidth": 2, "linestyle": (0, (2, 3))},
}
PICTURES = (".png", ".svg", ".pdf")
TAGS = ("loss/train", "loss/val", "accuracy/train", "accuracy/val")

Curve = tuple[list[int], list[float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 drawn, 2 bad input)."""
    parser = OneLineParser(
        prog="python -m torch_models.curves",
        description="Plot loss and accuracy after each epoch, in training and in validation, for "
        "the newest run of each method (autograd, manual, explicit), in one picture.",
    )
    add_network_option(parser)
    parser.add_argument(
        "--log-dir",
        default="lightning_logs",
        metavar="DIR",
        help="folder of the runs (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        default="curves.png",
        metavar="FILE",
        help="a PNG, SVG or PDF file (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if Path(options.output).suffix.lower() not in PICTURES:
        parser.error(f"--output {options.output}: expected a name that ends in .png, .svg or .pdf")
    try:
        require_writable(Path(options.output))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        parser.error(f"--output {options.output} cannot be written: {reason}")
    try:
        with ended_at_once(parser.prog, signal.SIGINT, loading="Matplotlib"), extras.named():
            import matplotlib.pyplot  # noqa: F401
            import tensorboard.backend.event_processing.event_accumulator  # noqa: F401
    except extras.MissingExtraError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    newest_of = {way: newest(options.log_dir, run_name(options.network, way)) for way in STYLES}
    runs = {way: curves(run) for way, run in newest_of.items() if run}
    if not any(runs.values()):
        parser.error(
            f"--log-dir {options.log_dir}: no run of {options.network} is there; train one first"
        )
    try:
        draw(runs, options.output)
    except NotWrittenError as error:
        parser.error(str(error))
    streams().out.write(f"{printable(options.output)}: {', '.join(runs)}\n")
    return 0


def newest(log_dir: Path | str, name: str) -> Path | None:
    """The folder of the newest run of this name, if there is one."""
    runs = [path for path in Path(log_dir, name).glob("version_*") if path.is_dir()]
    return max(runs, key=lambda path: path.stat().st_mtime_ns, default=None)


def curves(run: Path) -> dict[str, Curve]:
    """Tag → (epochs, values) of a run's four curves, as far as it has logged them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run))
    events.Reload()
    logged = [tag for tag in TAGS if tag in events.Tags()["scalars"]]
    # The table of hyperparameters starts loss/val with a NaN.
    values = {
        tag: [event.value for event in events.Scalars(tag) if math.isfinite(event.value)]
        for tag in logged
    }
    return {tag: (list(range(1, len(v) + 1)), v) for tag, v in values.items()}


def draw(runs: dict[str, dict[str, Curve]], output: Path | str) -> None:
    """Draw loss on the left and accuracy on the right, validation dashed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, quantity in zip(axes, ("loss", "accuracy"), strict=True):
        for way, tags in runs.items():
            for stage, marker in (("train", "o"), ("val", "s")):
                epochs, values = tags.get(f"{quantity}/{stage}", ([], []))
                axis.plot(epochs, values, marker=marker, label=f"{way}, {stage}", **STYLES[way])
        axis.set_xlabel("epoch")
        axis.set_ylabel(quantity)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        axis.legend()
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=110, format=Path(output).suffix[1:].lower())
    plt.close(figure)
    write(Path(output), drawn.getvalue(), "--output")


if __name__ == "__main__":
    sys.exit(main())
