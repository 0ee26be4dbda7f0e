"""Pictures for TensorBoard, drawn with Pillow: Matplotlib takes longer than an epoch's tenth.

TensorBoard shows pictures ``WIDTH`` pixels wide and leaves out pixels of wider ones, so these have
just that width. Colours are those of Okabe and Ito, which colour-blind readers tell apart.
"""

from functools import cache

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

WIDTH = 350
#: Of the first layer, at most.
HEIGHT = 500
BLUE, VERMILLION, GREY = (0, 114, 178), (213, 94, 0), (110, 110, 110)
SIDE = 28
#: Between the tiles of the first layer, and around them.
GAP = 3
#: From blue to vermilion. Twice as many take a quarter more bytes, each 0.1 µs to write.
SHADES = 31
#: Neurons in the picture of the first layer, at most: what has room.
NEURONS = (WIDTH - GAP) // (SIDE + GAP) * (HEIGHT // (SIDE + GAP))
ROWS, COLUMNS = 6, 5


def first_layer(W: Tensor) -> Image.Image:
    """A tile for each neuron: blue where a pixel speaks against it, vermilion where for it.

    Args:
        W: (neurons, 784). All tiles share one scale, four standard deviations of the weights.
    """
    tiles = W[:NEURONS].float().cpu()
    n = len(tiles)
    times, columns = _magnification(n)
    rows = -(-n // columns)
    shades = (tiles / (4 * tiles.std() + 1e-12)).clamp(-1, 1).nan_to_num()
    # Shade 0 is between the tiles, 1 … SHADES go from blue over white to vermilion.
    middle, wide = (SHADES + 1) // 2, SHADES // 2
    large = (middle + wide * shades).round().to(torch.uint8).view(n, SIDE, SIDE)
    large = large.repeat_interleave(times, 1).repeat_interleave(times, 2)
    step = times * SIDE + GAP
    grid = torch.zeros(rows * columns, step, step, dtype=torch.uint8)
    grid[:n, GAP:, GAP:] = large
    grid = grid.view(rows, columns, step, step).transpose(1, 2)
    whole = torch.zeros(rows * step + GAP, WIDTH, dtype=torch.uint8)
    left = (WIDTH - columns * step - GAP) // 2
    whole[: rows * step, left : left + columns * step] = grid.reshape(rows * step, columns * step)
    picture = Image.fromarray(whole.numpy()).convert("P")
    colours = [_shade((shade - middle) / wide) for shade in range(1, SHADES + 1)]
    picture.putpalette([*(3 * [225]), *(part for colour in colours for part in colour)])
    return picture


def _magnification(n: int) -> tuple[int, int]:
    """The largest for which n tiles have room, and how many of them are in a row."""
    for times in range(WIDTH // SIDE, 1, -1):
        step = times * SIDE + GAP
        columns = (WIDTH - GAP) // step
        if -(-n // columns) * step < HEIGHT:
            return times, columns
    return 1, (WIDTH - GAP) // (SIDE + GAP)


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
    tile, width, height, top = 2 * SIDE, WIDTH // COLUMNS, 2 * SIDE + 26, 44
    rows = -(-len(shown) // COLUMNS)
    picture = Image.new("RGB", (WIDTH, top + rows * height), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((7, 4), f"{len(wrong):,} of {len(labels):,} are misclassified", "black", _font(14))
    note = f"the {len(shown)} most confident mistakes" if len(wrong) > len(shown) else ""
    draw.text((7, 22), note, GREY, _font(12))
    for place, index in enumerate(shown.tolist()):
        left, up = place % COLUMNS * width + 7, top + place // COLUMNS * height
        pixels = (255 * (1 - x[index].clamp(0, 1))).byte().view(SIDE, SIDE).cpu().numpy()
        drawn = Image.fromarray(pixels).resize((tile, tile), Image.Resampling.NEAREST)
        picture.paste(drawn, (left, up))
        draw.rectangle((left - 1, up - 1, left + tile, up + tile), outline=(215, 215, 215))
        text = f"said {int(said[index])}"
        draw.text((left - 2, up + tile + 3), text, VERMILLION, _font(12))
        beside = left + tile + 2
        draw.text((beside, up + tile + 3), f"is {int(labels[index])}", BLUE, _font(12), anchor="ra")
    return picture


def confusion_matrix(counts: Tensor) -> Image.Image:
    """Rows are the right classes, columns what was said; a cell's shade is its share of the row.

    Args:
        counts: whole numbers (classes, classes).
    """
    classes = len(counts)
    left, top = 38, 42
    cell = (WIDTH - left - 2) // classes
    picture = Image.new("RGB", (WIDTH, top + classes * cell + 2), "white")
    draw = ImageDraw.Draw(picture)
    middle = classes * cell // 2
    draw.text((left + middle, 4), "said", VERMILLION, _font(14), anchor="ma")
    sideways = Image.new("RGB", (60, 20), "white")
    ImageDraw.Draw(sideways).text((30, 10), "right", BLUE, _font(14), anchor="mm")
    picture.paste(sideways.rotate(90, expand=True), (0, top + middle - 30))
    # The root makes single mistakes visible beside hundreds that are right.
    shares = (counts / counts.sum(1, keepdim=True).clamp(min=1)).sqrt().tolist()
    for row in range(classes):
        at = row * cell + cell // 2
        draw.text((left + at, top - 5), str(row), "black", _font(14), anchor="ms")
        draw.text((left - 7, top + at), str(row), "black", _font(14), anchor="rm")
        for column in range(classes):
            share = shares[row][column]
            colour = _shade(-share if row == column else min(3 * share, 1))
            box = (left + column * cell, top + row * cell)
            end = (box[0] + cell - 2, box[1] + cell - 2)
            draw.rectangle((*box, *end), fill=colour if share else (246, 246, 246))
            if count := int(counts[row, column]):
                dark = (share if row == column else 3 * share) > 0.6
                centre = (box[0] + cell // 2, box[1] + cell // 2)
                draw.text(centre, str(count), "white" if dark else "black", _font(13), anchor="mm")
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
