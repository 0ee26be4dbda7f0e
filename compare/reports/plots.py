"""The plots of the lecture notes among TensorBoard's pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from torch_models.dashboards import run_logger


def show(paths: Sequence[Path], log_dir: Path) -> Path:
    """Make a run ``<log_dir>/lecture-notes/version_N`` of the pictures; returns its folder."""
    logger = run_logger(log_dir, "lecture-notes")
    writer = logger.experiment
    for path in paths:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        name = path.stem.replace("_", " ")
        writer.add_image(f"plots of the lecture notes/{name}", pixels, dataformats="HWC")
    writer.close()
    return Path(logger.log_dir)
