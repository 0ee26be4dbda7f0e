"""Many small pictures in one, drawn with Pillow: Matplotlib takes longer than an epoch's tenth.

TensorBoard shows pictures ``WIDTH`` pixels wide and leaves out pixels of wider ones, so these have
just that width. Colours are those of Okabe and Ito, which colour-blind readers tell apart.
"""

import torch
from PIL import Image
from torch import Tensor

WIDTH = 350
#: At most.
HEIGHT = 500
BLUE, VERMILLION, GREY = (0, 114, 178), (213, 94, 0), (110, 110, 110)
#: Between the tiles, and around them.
GAP = 3
#: From blue to vermilion. Twice as many take a quarter more bytes, each 0.1 µs to write.
SHADES = 31


def tiles(values: Tensor, columns: int | None = None) -> Image.Image:
    """A tile for each picture, as large as there is room for: −1 blue, 0 white, 1 vermilion.

    Args:
        values: (pictures, height, width); what has no room is left out.
        columns: tiles in a row; as many as fit if ``None``.
    """
    _, high, wide = values.shape
    in_a_row = columns or max((WIDTH - GAP) // (wide + GAP), 1)
    n = min(len(values), max(HEIGHT // (high + GAP), 1) * in_a_row)
    times, columns = _magnification(n, high, wide, columns)
    rows = -(-n // columns)
    # Shade 0 is between the tiles, 1 … SHADES go from blue over white to vermilion.
    middle, far = (SHADES + 1) // 2, SHADES // 2
    shades = values[:n].float().cpu().clamp(-1, 1).nan_to_num()
    large = (middle + far * shades).round().to(torch.uint8)
    large = large.repeat_interleave(times, 1).repeat_interleave(times, 2)
    down, across = times * high + GAP, times * wide + GAP
    grid = torch.zeros(rows * columns, down, across, dtype=torch.uint8)
    grid[:n, GAP:, GAP:] = large
    grid = grid.view(rows, columns, down, across).transpose(1, 2)
    whole = torch.zeros(rows * down + GAP, WIDTH, dtype=torch.uint8)
    left = (WIDTH - columns * across - GAP) // 2
    whole[: rows * down, left : left + columns * across] = grid.reshape(rows * down, -1)
    picture = Image.fromarray(whole.numpy()).convert("P")
    colours = [shade((number - middle) / far) for number in range(1, SHADES + 1)]
    picture.putpalette([*(3 * [225]), *(part for colour in colours for part in colour)])
    return picture


def _magnification(n: int, high: int, wide: int, columns: int | None) -> tuple[int, int]:
    """The largest for which n tiles have room, and how many of them are in a row."""
    for times in range(WIDTH // wide, 1, -1):
        fitting = (WIDTH - GAP) // (times * wide + GAP)
        in_a_row = columns or fitting
        if 0 < in_a_row <= fitting and -(-n // in_a_row) * (times * high + GAP) < HEIGHT:
            return times, in_a_row
    return 1, columns or max((WIDTH - GAP) // (wide + GAP), 1)


def shade(value: float) -> tuple[int, int, int]:
    """-1 blue, 0 white, 1 vermilion."""
    red, green, blue = VERMILLION if value > 0 else BLUE
    part = min(abs(value), 1)
    mixed = [round(255 + part * (full - 255)) for full in (red, green, blue)]
    return mixed[0], mixed[1], mixed[2]
