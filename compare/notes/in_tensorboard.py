"""The plots of the lecture notes among TensorBoard's pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from torch_models.dashboards.logger import run_logger
from torch_models.dashboards.tiles import WIDTH


def show(paths: Sequence[Path], log_dir: Path) -> Path:
    """Make a run ``<log_dir>/lecture-notes/version_N`` of the pictures; returns its folder."""
    logger = run_logger(log_dir, "lecture-notes")
    writer = logger.experiment
    for path in paths:
        pixels = np.asarray(_shrinkable(Image.open(path).convert("RGB")))
        name = path.stem.replace("_", " ")
        writer.add_image(f"plots of the lecture notes/{name}", pixels, dataformats="HWC")
    writer.close()
    return Path(logger.log_dir)


def _shrinkable(picture: Image.Image) -> Image.Image:
    """Three times as wide as TensorBoard shows it, and good at both sizes.

    What TensorBoard shrinks it takes every third pixel of, so each is made the mean of its
    neighbours.
    """
    height = round(WIDTH * picture.height / picture.width)
    large = picture.resize((3 * WIDTH, 3 * height), Image.Resampling.LANCZOS)
    return large.filter(ImageFilter.BoxBlur(1))
