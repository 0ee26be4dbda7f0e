"""How far two trainings' gradients are apart, as curves in TensorBoard, one for each layer."""

import math
from pathlib import Path
from types import TracebackType

from torch import Tensor

from compare.command.writing import NotWrittenError
from compare.training.trainee import Trainee
from compare.verdict.judge import largest
from torch_models.dashboards.logger import CUSTOM_PAGE, run_logger

#: Sorts behind loss and accuracy, which TensorBoard then opens by itself.
GROUP = "relative disagreement, log10"
#: Drawn where the gradients are the same bit for bit: far below the rounding of float64.
SAME = -20.0
#: The page that says so.
ABOUT = "about/this run"


class Disagreement:
    """A run beside those of the training, ``<log_dir>/<name>-against-autograd/version_N``.

    Called in each step of ``train_in_lockstep``, it writes the decimal logarithm of
    max |ours − theirs| / max |theirs|, the larger of a layer's weight and bias, or ``SAME``. On a
    linear axis nothing would be seen of rounding, −7 in float32, nor how the two part from there.

    Args:
        log_dir: where the trainings' runs are.
        name: of the runs of the way in question.

    Raises:
        NotWrittenError: The folder cannot be written.
    """

    def __init__(self, log_dir: Path, name: str) -> None:
        try:
            logger = run_logger(log_dir, f"{name}-against-autograd")
            self._writer = logger.experiment
        except OSError as error:
            raise NotWrittenError(
                f"--log-dir {log_dir} cannot be written: {error.strerror}"
            ) from error
        self.run = Path(logger.log_dir)
        self._steps, self._largest = 0, 0.0

    def __enter__(self) -> "Disagreement":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.add_text(ABOUT, in_words(self._steps, self._largest), self._steps)
        self._writer.close()

    def __call__(self, step: int, manual: Trainee, reference: Trainee) -> None:
        """One point for each layer; the training counts its steps from 0."""
        layers = distances(manual.gradients, reference.gradients)
        if step == 1:
            self._writer.add_custom_scalars({CUSTOM_PAGE: _charts(len(layers))})
        self._steps = step
        self._largest = max([*layers, self._largest])  # in this order NaN stays
        for number, distance in enumerate(layers, 1):
            self._writer.add_scalar(f"{GROUP}/layer {number}", _log10(distance), step - 1)


def _charts(layers: int) -> dict[str, list]:
    return {
        f"gradient difference of layer {n}, log10 ({SAME:g}: none)": [
            "Multiline",
            [f"{GROUP}/layer {n}$"],
        ]
        for n in range(1, layers + 1)
    }


def in_words(steps: int, largest: float) -> str:
    """What the curves show, in Markdown."""
    if largest == 0:
        found = f"all are bit-for-bit identical, so every curve is a flat line at {SAME:g}"
    else:
        found = f"the largest difference is {largest:.2g} of its tensor's largest number"
    return (
        f"The gradients of two trainings, compared at {steps} steps: {found}."
        f"\n\nA curve is a layer's largest difference, max |ours − theirs| / max |theirs|, as a "
        f"power of ten: −7 is one rounding in float32, {SAME:g} stands for no difference at all."
    )


def distances(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> list[float]:
    """The relative distance of each layer's gradients, first layer first.

    Infinite where ours has none, or one of another shape.
    """
    layers: dict[str, float] = {}
    for name, gradient in theirs.items():
        module = name.rpartition(".")[0]
        distance = _distance(ours.get(name), gradient)
        layers[module] = max(distance, layers.get(module, 0.0))  # in this order NaN stays
    return list(layers.values())


def _distance(ours: Tensor | None, theirs: Tensor) -> float:
    if ours is None or ours.shape != theirs.shape:
        return math.inf
    return float((ours - theirs).abs().max()) / (largest(theirs) or 1.0)


def _log10(distance: float) -> float:
    return max(math.log10(distance), SAME) if distance else SAME
