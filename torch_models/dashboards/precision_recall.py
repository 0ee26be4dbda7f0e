"""Precision against recall of each class, in the corner where the curves differ.

TensorBoard's own page of these curves shows 0 … 1, where those of a good classifier all look alike.
"""

import math

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from torch_models.dashboards.pictures import font
from torch_models.dashboards.projector import COLOURS
from torch_models.dashboards.tiles import GREY, WIDTH

#: Around the plot.
LEFT, TOP, RIGHT, BOTTOM = 44, 26, 16, 58
SIDE = WIDTH - LEFT - RIGHT
#: Parts that the grid divides an axis into.
PARTS = 5
Curve = tuple[Tensor, Tensor]


def picture(labels: Tensor, scores: Tensor) -> Image.Image:
    """A curve for each class that there are samples of, with both axes from ``lowest`` to 1.

    Args:
        labels: (n,).
        scores: probabilities (n, classes).
    """
    classes = labels.unique().tolist()
    curves = {c: curve(labels == c, scores[:, c]) for c in classes}
    low = lowest(list(curves.values()))
    drawn = Image.new("RGB", (WIDTH, TOP + SIDE + BOTTOM), "white")
    draw = ImageDraw.Draw(drawn)
    _axes(draw, low)
    for number, c in enumerate(classes):
        colour = COLOURS[c % len(COLOURS)]
        recall, precision = ((values - low) / (1 - low) * SIDE for values in curves[c])
        inside = (recall >= 0) & (precision >= 0)
        points = torch.stack([LEFT + recall, TOP + SIDE - precision], 1)[inside]
        draw.line([tuple(point) for point in points.tolist()], fill=colour, width=2)
        at = LEFT + number * SIDE // max(len(classes), 10)
        draw.text((at, TOP + SIDE + 38), str(c), colour, font(14))
    return drawn


def curve(labels: Tensor, scores: Tensor) -> Curve:
    """Recall and precision when the 1, 2, … n likeliest samples are taken, (n,) each.

    Args:
        labels: bool (n,), at least one of them true.
        scores: (n,), the larger the likelier.
    """
    right = labels[scores.argsort(descending=True, stable=True)].cumsum(0)
    return right / right[-1], right / torch.arange(1, len(right) + 1)


def lowest(curves: list[Curve]) -> float:
    """A multiple of 0.05 below the break-even point, precision = recall, of the worst class."""
    even = min(float(recall[(precision - recall).abs().argmin()]) for recall, precision in curves)
    # Half as far again from 1.
    return min(max(math.floor((1 - 1.5 * (1 - even)) * 20) / 20, 0.0), 0.95)


def _axes(draw: ImageDraw.ImageDraw, low: float) -> None:
    draw.text((LEFT, 5), "precision (up) against recall, by class", "black", font(13))
    for part in range(PARTS + 1):
        at, value = part * SIDE // PARTS, f"{low + part / PARTS * (1 - low):.2f}"
        draw.line([(LEFT + at, TOP), (LEFT + at, TOP + SIDE)], fill=(225, 225, 225))
        draw.line([(LEFT, TOP + SIDE - at), (LEFT + SIDE, TOP + SIDE - at)], fill=(225, 225, 225))
        draw.text((LEFT + at, TOP + SIDE + 4), value, GREY, font(12), anchor="ma")
        draw.text((LEFT - 4, TOP + SIDE - at), value, GREY, font(12), anchor="rm")
