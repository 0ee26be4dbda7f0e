import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from torch_models.dashboards import pictures, projector, tiles


@pytest.mark.parametrize(
    ("neurons", "shown", "times", "columns"),
    [(1, 1, 12, 1), (12, 12, 4, 3), (40, 40, 2, 5), (160, 160, 1, 11), (1000, 176, 1, 11)],
)
def test_first_layer_is_as_wide_as_it_is_shown(neurons, shown, times, columns):
    W = torch.zeros(neurons, 784)
    W[0, 0] = W[columns - 1, 27] = 1
    W[shown - 1, 783] = -1
    picture = pictures.first_layer(W).convert("RGB")
    assert picture.width == tiles.WIDTH
    assert picture.height <= tiles.HEIGHT
    pixels = torch.tensor(np.asarray(picture)).long()
    for_it = (pixels == torch.tensor(tiles.VERMILLION)).all(2).nonzero()
    against = (pixels == torch.tensor(tiles.BLUE)).all(2).nonzero()
    assert len(for_it) == 2 * times**2
    assert len(against) == times**2
    # The first row begins below the gap and is centred; the last tile ends above it.
    assert for_it[0, 0] == tiles.GAP
    left, right = int(for_it[:, 1].min()), tiles.WIDTH - 1 - int(for_it[:, 1].max())
    assert abs(left - right) <= 1
    assert against[-1, 0] == picture.height - 1 - tiles.GAP


def test_first_layer_of_nan():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pictures.first_layer(torch.full((1, 784), float("nan")))


def test_mistakes_the_most_confident_first():
    x = torch.zeros(3, 784)
    x[2] = 1  # black
    labels = torch.tensor([0, 1, 1])
    probabilities = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2]])
    picture = pictures.mistakes(x, labels, probabilities)
    assert picture.width == tiles.WIDTH
    assert picture.getpixel((35, 70)) == (0, 0, 0)
    assert picture.getpixel((105, 70)) == (255, 255, 255)
    without = pictures.mistakes(x, torch.zeros(3, dtype=torch.long), probabilities)
    assert without.height < picture.height  # a title alone


def test_confusion_matrix():
    counts = torch.diag(torch.full((10,), 9))
    counts[0], counts[1, 0] = 0, 4
    counts[0, 9] = 5
    picture = pictures.confusion_matrix(counts)
    assert picture.width == tiles.WIDTH
    left, top, cell = 38 + 2, 42 + 2, 31

    def colour(row, column):
        return picture.getpixel((left + column * cell, top + row * cell))

    assert colour(0, 9) == tiles.VERMILLION
    assert colour(9, 9) == tiles.BLUE
    assert colour(0, 0) == colour(9, 0) == (246, 246, 246)


def test_projector_files(tmp_path):
    points, x = torch.rand(5, 3), torch.zeros(5, 784)
    x[4] = 1
    labels, said = torch.tensor([0, 1, 2, 3, 4]), torch.tensor([0, 1, 2, 3, 9])
    for name in ("epoch 1", "epoch 2", "epoch 2"):
        projector.write(tmp_path, name, points, x, labels, said)
    folder = tmp_path / "projector/epoch 2"
    rows = [line.split("\t") for line in (folder / "points.tsv").read_text().splitlines()]
    assert [[float(v) for v in row] for row in rows] == pytest.approx(points.numpy(), abs=1e-3)
    assert (folder / "labels.tsv").read_text().splitlines()[-1] == "4\t9\t1"
    sprite = Image.open(folder / "images.png").convert("RGB")
    assert sprite.size == (84, 84)
    assert sprite.getpixel((28 + 14, 28 + 14)) == projector.COLOURS[4]
    assert sprite.getpixel((14, 14)) == (255, 255, 255)
    assert (tmp_path / "projector_config.pbtxt").read_text().count("embeddings {") == 2


def test_tiles_of_any_size():
    for n, high, wide in ((1, 5, 5), (6, 28, 28), (64, 4, 4), (6, 28, 128), (4, 128, 128)):
        picture = tiles.tiles(torch.rand(n, high, wide))
        assert picture.width == tiles.WIDTH
        assert picture.height <= tiles.HEIGHT
    rows = tiles.tiles(torch.cat([torch.ones(5, 28, 28), -torch.ones(5, 28, 28)]), columns=5)
    pixels = torch.tensor(np.asarray(rows.convert("RGB"))).long()
    upper, lower = pixels[: rows.height // 2], pixels[rows.height // 2 :]
    for half, colour in ((upper, tiles.VERMILLION), (lower, tiles.BLUE)):
        assert (half == torch.tensor(colour)).all(2).sum() == 5 * 56 * 56
