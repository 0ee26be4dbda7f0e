import pytest
import torch

from torch_models.dashboards import precision_recall, tiles
from torch_models.dashboards.projector import COLOURS


def test_a_curve_by_hand():
    """The likeliest is right, the next is wrong, then another right one."""
    recall, precision = precision_recall.curve(
        torch.tensor([True, False, True, False]), torch.tensor([0.9, 0.8, 0.7, 0.1])
    )
    assert recall.tolist() == [0.5, 0.5, 1, 1]
    assert precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])


def test_axes_begin_where_the_worst_class_is_seen():
    def even_at(value):
        return torch.tensor([0.1, value, 1.0]), torch.tensor([1.0, value, 0.2])

    assert precision_recall.lowest([even_at(0.99), even_at(0.95)]) == 0.9
    assert precision_recall.lowest([even_at(0.2)]) == 0
    assert precision_recall.lowest([even_at(1.0)]) == 0.95


def test_each_class_that_is_there_has_its_colour():
    scores = torch.rand(60, 10, generator=torch.Generator().manual_seed(0))
    picture = precision_recall.picture(torch.arange(60) % 3, scores)
    assert picture.width == tiles.WIDTH
    seen = {colour for _, colour in picture.getcolors(1 << 20)}
    assert [c in seen for c in COLOURS[:4]] == [True, True, True, False]
