"""Pictures of what a classifier of images says, and of the perceptron's first layer."""

from functools import cache

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from torch_models.dashboards.tiles import BLUE, GAP, GREY, HEIGHT, VERMILLION, WIDTH, shade, tiles

SIDE = 28
#: In the picture of the first layer, at most: what has room.
NEURONS = (WIDTH - GAP) // (SIDE + GAP) * (HEIGHT // (SIDE + GAP))
ROWS, COLUMNS = 6, 5


def first_layer(W: Tensor) -> Image.Image:
    """A tile for each neuron: blue where a pixel speaks against it, vermilion where for it.

    Args:
        W: (neurons, 784). All tiles share one scale, four standard deviations of the weights.
    """
    seen = W[:NEURONS].float().cpu()
    return tiles((seen / (4 * seen.std() + 1e-12)).view(-1, SIDE, SIDE))


def mistakes(x: Tensor, labels: Tensor, probabilities: Tensor) -> Image.Image:
    """The misclassified images, the most confident first, with what was said and what is right.

    Args:
        x: (n, …) of 784 numbers in [0, 1] each.
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
    draw.text((7, 4), f"{len(wrong):,} of {len(labels):,} are misclassified", "black", font(14))
    note = f"the {len(shown)} most confident mistakes" if len(wrong) > len(shown) else ""
    draw.text((7, 22), note, GREY, font(12))
    for place, index in enumerate(shown.tolist()):
        left, up = place % COLUMNS * width + 7, top + place // COLUMNS * height
        pixels = (255 * (1 - x[index].clamp(0, 1))).byte().view(SIDE, SIDE).cpu().numpy()
        drawn = Image.fromarray(pixels).resize((tile, tile), Image.Resampling.NEAREST)
        picture.paste(drawn, (left, up))
        draw.rectangle((left - 1, up - 1, left + tile, up + tile), outline=(215, 215, 215))
        text = f"pred {int(said[index])}"
        draw.text((left - 2, up + tile + 3), text, VERMILLION, font(12))
        beside = left + tile + 2
        draw.text((beside, up + tile + 3), f"is {int(labels[index])}", BLUE, font(12), anchor="ra")
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
    draw.text((left + middle, 4), "predicted", VERMILLION, font(14), anchor="ma")
    sideways = Image.new("RGB", (60, 20), "white")
    ImageDraw.Draw(sideways).text((30, 10), "true", BLUE, font(14), anchor="mm")
    picture.paste(sideways.rotate(90, expand=True), (0, top + middle - 30))
    # The root makes single mistakes visible beside hundreds that are right.
    shares = (counts / counts.sum(1, keepdim=True).clamp(min=1)).sqrt().tolist()
    for row in range(classes):
        at = row * cell + cell // 2
        draw.text((left + at, top - 5), str(row), "black", font(14), anchor="ms")
        draw.text((left - 7, top + at), str(row), "black", font(14), anchor="rm")
        for column in range(classes):
            share = shares[row][column]
            colour = shade(-share if row == column else min(3 * share, 1))
            box = (left + column * cell, top + row * cell)
            end = (box[0] + cell - 2, box[1] + cell - 2)
            draw.rectangle((*box, *end), fill=colour if share else (246, 246, 246))
            if count := int(counts[row, column]):
                dark = (share if row == column else 3 * share) > 0.6
                centre = (box[0] + cell // 2, box[1] + cell // 2)
                draw.text(centre, str(count), "white" if dark else "black", font(13), anchor="mm")
    return picture


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own; reading it takes longer than a picture's text."""
    return ImageFont.load_default(size)
