"""The files that TensorBoard's projector shows: points, their labels, and a picture of each.

The pictures are coloured by class: the projector opens without a colour map.
"""

import math
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

SIDE = 28
#: Of each colour, white first: with ten colours as many as a palette has room for.
SHADES = 25
#: By class; as far apart as ten colours on white can be, seven of them Okabe and Ito's.
COLOURS = (
    *((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0)),
    *((86, 180, 233), (0, 0, 0), (130, 60, 160), (140, 90, 40), (125, 125, 125)),
)


def write(run: Path, name: str, points: Tensor, x: Tensor, labels: Tensor, said: Tensor) -> None:
    """Add an embedding to a run, or replace the one of that name.

    Args:
        run: the folder of the run.
        name: of the embedding, and of its folder in ``run/projector``.
        points: (n, dimensions).
        x: the images (n, …), 784 numbers in [0, 1] each.
        labels: (n,).
        said: the classes predicted, (n,).
    """
    folder = run / "projector" / name
    folder.mkdir(parents=True, exist_ok=True)
    rows = ("\t".join(f"{value:.4g}" for value in row) for row in points.tolist())
    (folder / "points.tsv").write_text("\n".join(rows) + "\n")
    # Numbers only: a column of words would become the label instead of the class.
    lines = ["class\tsaid\tmistake"]
    for label, guess in zip(labels.tolist(), said.tolist(), strict=True):
        lines.append(f"{label}\t{guess}\t{int(label != guess)}")
    (folder / "labels.tsv").write_text("\n".join(lines) + "\n")
    _sprite(x, labels).save(folder / "images.png", compress_level=1)
    embeddings = sorted(path.name for path in folder.parent.iterdir())
    (run / "projector_config.pbtxt").write_text("".join(map(_entry, embeddings)))


def _sprite(x: Tensor, labels: Tensor) -> Image.Image:
    """All images in one square, row by row, as the projector cuts them out."""
    across = math.ceil(math.sqrt(len(x)))
    ink = (x.flatten(1).clamp(0, 1) * (SHADES - 1)).round().byte().cpu()
    first = (labels.cpu() % len(COLOURS) * SHADES).byte()
    tiles = torch.zeros(across * across, SIDE, SIDE, dtype=torch.uint8)
    tiles[: len(x)] = (first[:, None] + ink).view(-1, SIDE, SIDE)
    square = tiles.view(across, across, SIDE, SIDE).transpose(1, 2)
    pixels = square.reshape(across * SIDE, across * SIDE).numpy()
    sprite = Image.fromarray(pixels).convert("P")
    sprite.putpalette(
        [
            round(255 - shade / (SHADES - 1) * (255 - part))
            for colour in COLOURS
            for shade in range(SHADES)
            for part in colour
        ]
    )
    return sprite


def _entry(name: str) -> str:
    folder = f"projector/{name}"
    return (
        "embeddings {\n"
        f'  tensor_name: "{name}"\n'
        f'  tensor_path: "{folder}/points.tsv"\n'
        f'  metadata_path: "{folder}/labels.tsv"\n'
        f'  sprite {{ image_path: "{folder}/images.png" '
        f"single_image_dim: {SIDE} single_image_dim: {SIDE} }}\n"
        "}\n"
    )
