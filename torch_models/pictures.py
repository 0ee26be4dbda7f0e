"""Pictures for TensorBoard, drawn with Pillow: Matplotlib takes longer than an epoch's tenth.

Colours are those of Okabe and Ito, which colour-blind readers tell apart.
"""

import math
from functools import cache

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

BLUE, VERMILLION, GREY = (0, 114, 178), (213, 94, 0), (110, 110, 110)
SIDE = 28
#: Neurons in the picture of the first layer, at most.
NEURONS = 256
ROWS, COLUMNS = 4, 8


def first_layer(W: Tensor) -> Image.Image:
    """A tile for each neuron: blue where a pixel speaks against it, vermilion where for it.

    Args:
        W: (neurons, 784). All tiles share one scale, four standard deviations of the weights.
    """
    tiles = W[:NEURONS].float().cpu()
    n = len(tiles)
    columns = min(n, math.ceil(math.sqrt(1.6 * n)))
    rows = -(-n // columns)
    shades = (tiles / (4 * tiles.std() + 1e-12)).clamp(-1, 1).nan_to_num()
    # Shade 0 is between the tiles, 1 … 255 go from blue over white to vermilion.
    grid = torch.zeros(rows * columns, SIDE + 2, SIDE + 2, dtype=torch.uint8)
    grid[:n, 1:-1, 1:-1] = (128 + 127 * shades).round().to(torch.uint8).view(n, SIDE, SIDE)
    grid = grid.view(rows, columns, SIDE + 2, SIDE + 2).transpose(1, 2)
    grid = grid.reshape(rows * (SIDE + 2), columns * (SIDE + 2))
    grid = grid.repeat_interleave(2, 0).repeat_interleave(2, 1)
    picture = Image.fromarray(grid.numpy()).convert("P")
    picture.putpalette([*(3 * [215]), *(c for i in range(1, 256) for c in _shade((i - 128) / 127))])
    return picture


def mistakes(x: Tensor, labels: Tensor, probabilities: Tensor) -> Image.Image:
    """The misclassified images, the most confident first, with what was said and what is right.

    Args:
        x: (n, 784) in [0, 1].
        labels: (n,).
        probabilities: (n, classes); the largest is what was said.
    """
    confidence, said = probabilities.max(1)
    wrong = (said != labels).nonzero().flatten()
    order = confidence[wrong].argsort(descending=True, stable=True)
    shown = wrong[order[: ROWS * COLUMNS]]
    width, height, top = 3 * SIDE + 16, 3 * SIDE + 30, 34
    picture = Image.new("RGB", (COLUMNS * width, top + ROWS * height), "white")
    draw = ImageDraw.Draw(picture)
    title = f"{len(wrong)} of {len(labels)} validation images are misclassified"
    if len(wrong) > len(shown):
        title += f"; the {len(shown)} most confident mistakes"
    draw.text((8, 8), title, "black", _font(17))
    font = _font(15)
    for place, index in enumerate(shown.tolist()):
        left, up = place % COLUMNS * width + 8, top + place // COLUMNS * height
        pixels = (255 * (1 - x[index].clamp(0, 1))).byte().view(SIDE, SIDE).cpu().numpy()
        tile = Image.fromarray(pixels).resize((3 * SIDE, 3 * SIDE), Image.Resampling.NEAREST)
        picture.paste(tile, (left, up))
        draw.rectangle((left - 1, up - 1, left + 3 * SIDE, up + 3 * SIDE), outline=(200, 200, 200))
        text = f"said {int(said[index])},"
        draw.text((left, up + 3 * SIDE + 3), text, VERMILLION, font)
        beside = left + draw.textlength(text + " ", font)
        draw.text((beside, up + 3 * SIDE + 3), f"is {int(labels[index])}", BLUE, font)
    return picture


def confusion_matrix(counts: Tensor) -> Image.Image:
    """Rows are the right classes, columns what was said; a cell's shade is its share of the row.

    Args:
        counts: whole numbers (classes, classes).
    """
    cell, left, top = 52, 64, 64
    classes = len(counts)
    picture = Image.new("RGB", (left + classes * cell + 8, top + classes * cell + 8), "white")
    draw = ImageDraw.Draw(picture)
    font, bold = _font(16), _font(18)
    middle = left + classes * cell // 2
    draw.text((middle, 8), "said", GREY, bold, anchor="ma")
    draw.text((6, top + classes * cell // 2), "right", GREY, bold, anchor="lm")
    # The root makes single mistakes visible beside hundreds that are right.
    shares = (counts / counts.sum(1, keepdim=True).clamp(min=1)).sqrt().tolist()
    for row in range(classes):
        at = row * cell + cell // 2
        draw.text((left + at, top - 20), str(row), "black", bold, anchor="ma")
        draw.text((left - 8, top + at), str(row), "black", bold, anchor="rm")
        for column in range(classes):
            share = shares[row][column]
            colour = _shade(-share if row == column else min(3 * share, 1))
            box = (left + column * cell, top + row * cell)
            end = (box[0] + cell - 2, box[1] + cell - 2)
            draw.rectangle((*box, *end), fill=colour if share else (246, 246, 246))
            if count := int(counts[row, column]):
                dark = (share if row == column else 3 * share) > 0.6
                centre = (box[0] + cell // 2, box[1] + cell // 2)
                draw.text(centre, str(count), "white" if dark else "black", font, anchor="mm")
    return picture


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own; reading it takes longer than a picture's text."""
    return ImageFont.load_default(size)


def _shade(value: float) -> tuple[int, int, int]:
    """-1 blue, 0 white, 1 vermilion."""
    red, green, blue = VERMILLION if value > 0 else BLUE
    part = min(abs(value), 1)
    mixed = [round(255 + part * (full - 255)) for full in (red, green, blue)]
    return mixed[0], mixed[1], mixed[2]
