"""Any picture of a digit as MNIST has them: 28 × 28, light on dark, 20 pixels high, in the middle.

MNIST's digits were made so (LeCun et al. 1998, "Gradient-based learning applied to document
recognition", section III): scaled to fit 20 × 20, and placed so that their centre of mass is that
of the 28 × 28 field. A network that has seen nothing else knows a digit only so.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from torch_models import extras

with extras.named():
    from PIL import Image, ImageOps, UnidentifiedImageError

SIDE, DIGIT = 28, 20
#: Of the way from the ground to the darkest ink: what is fainter marks no end of the digit.
FAINT = 0.25


class PictureError(Exception):
    """The message says which picture, and what is wrong with it."""


def read(path: Path | str) -> Tensor:
    """The picture in this file, (28, 28), from 0 to 1.

    One of 28 × 28 is taken as it is, but for which of the two is dark.

    Raises:
        PictureError: it cannot be read, or nothing is on it.
    """
    try:
        with _no_warnings_of_size(), Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGBA")
    except UnidentifiedImageError:
        raise PictureError(f"{path} cannot be read as a picture: expected PNG, JPEG, …") from None
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"{path} cannot be read: {reason}") from error
    grey = _on_paper(picture, "white")
    if grey.getextrema() == (255, 255):  # transparent, with white ink
        grey = _on_paper(picture, "black")
    values = torch.frombuffer(bytearray(grey.tobytes()), dtype=torch.uint8)
    try:
        return as_in_mnist(values.view(grey.height, grey.width).float() / 255)
    except ValueError as error:
        raise PictureError(f"{path}: {error}") from None


@contextmanager
def _no_warnings_of_size() -> Iterator[None]:
    """Pillow warns of pictures half as large as those that it refuses to read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def _on_paper(picture: Image.Image, colour: str) -> Image.Image:
    paper = Image.new("RGBA", picture.size, colour)
    return Image.alpha_composite(paper, picture).convert("L")


def as_in_mnist(picture: Tensor) -> Tensor:
    """(height, width), dark on light or light on dark, from 0 to 1 → (28, 28), light on dark.

    Raises:
        ValueError: nothing is on it.
    """
    edge = torch.cat([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    ground = edge.median()
    ink = ground - picture if ground > 0.5 else picture - ground
    ink = ink.clamp(min=0)
    if ink.max() < 0.1:
        raise ValueError("the picture is blank")
    ink = ink / ink.max()
    if picture.shape == (SIDE, SIDE):
        return ink
    return _centred(_scaled(_cut_out(ink)))


def _cut_out(ink: Tensor) -> Tensor:
    """Without the empty rows and columns around it."""
    drawn = ink > FAINT
    [rows], [columns] = drawn.any(1).nonzero(as_tuple=True), drawn.any(0).nonzero(as_tuple=True)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _scaled(ink: Tensor) -> Tensor:
    """The longer side is 20 pixels; each is the mean of what it covers."""
    scale = DIGIT / max(ink.shape)
    size = [max(1, round(scale * n)) for n in ink.shape]
    small = torch.nn.functional.interpolate(
        ink[None, None], size=size, mode="bilinear", antialias=True
    )[0, 0]
    return small / small.max()


def _centred(ink: Tensor) -> Tensor:
    """On a field of 28 × 28, its centre of mass in the middle, as far as there is room."""
    field = torch.zeros(SIDE, SIDE)
    start = []
    for length, mass in zip(ink.shape, (ink.sum(1), ink.sum(0)), strict=True):
        centre = float((mass * torch.arange(length)).sum() / mass.sum())
        start.append(min(max(round((SIDE - 1) / 2 - centre), 0), SIDE - length))
    top, left = start
    field[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return field
