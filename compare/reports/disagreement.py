"""How far two trainings' gradients are apart, as curves in TensorBoard, one for each layer."""

import math
from pathlib import Path
from types import TracebackType

from torch import Tensor

from compare.command import NotWrittenError
from compare.sides import Side
from compare.verdict import largest
from torch_models.dashboards import CUSTOM_PAGE, run_logger

GROUP = "relative disagreement"
LAYOUT = {CUSTOM_PAGE: {"disagreement of the gradients": ["Multiline", [f"{GROUP}/.*"]]}}


class Disagreement:
    """A run beside those of the training, ``<log_dir>/<backprop>-against-autograd/version_N``.

    Called in each step of ``train_in_lockstep``, it writes max |ours − theirs| / max |theirs|, the
    larger of a layer's weight and bias; 0 where they are the same.

    Args:
        log_dir: where the trainings' runs are.
        backprop: the way in question.

    Raises:
        NotWrittenError: The folder cannot be written.
    """

    def __init__(self, log_dir: Path, backprop: str) -> None:
        try:
            logger = run_logger(log_dir, f"{backprop}-against-autograd")
            self._writer = logger.experiment
        except OSError as error:
            raise NotWrittenError(
                f"--log-dir {log_dir} cannot be written: {error.strerror}"
            ) from error
        self.run = Path(logger.log_dir)
        self._writer.add_custom_scalars(LAYOUT)

    def __enter__(self) -> "Disagreement":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def __call__(self, step: int, manual: Side, reference: Side) -> None:
        """One point for each layer; the training counts its steps from 0."""
        for number, distance in enumerate(distances(manual.gradients, reference.gradients), 1):
            self._writer.add_scalar(f"{GROUP}/layer {number}", distance, step - 1)


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
