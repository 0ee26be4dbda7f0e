import pytest
import torch
from torch.utils.tensorboard import SummaryWriter

from tests.torch_models.events import logged
from torch_models.dashboards import summaries


def write(folder, values):
    with SummaryWriter(str(folder)) as writer:
        summaries.histogram(writer, "it", values, 3)
    return logged(folder)


def test_counts_and_edges(tmp_path):
    values = torch.tensor([[-1.0, 0, 0.25], [0.5, 1, 1]])
    [event] = write(tmp_path, values).Histograms("it")
    found = event.histogram_value
    assert (event.step, found.num, found.min, found.max) == (3, 6, -1, 1)
    assert found.sum == pytest.approx(1.75)
    assert len(found.bucket) == len(found.bucket_limit) == summaries.BINS + 1
    assert sum(found.bucket) == 6
    assert (found.bucket[0], found.bucket[1], found.bucket[-1]) == (0, 1, 2)
    assert (found.bucket_limit[0], found.bucket_limit[-1]) == (-1, 1)


def test_all_the_same(tmp_path):
    [event] = write(tmp_path, torch.zeros(5)).Histograms("it")
    assert sum(event.histogram_value.bucket) == 5


def test_what_is_no_number_is_left_out(tmp_path):
    values = torch.tensor([float("nan"), float("inf"), 2, 4])
    [event] = write(tmp_path / "some", values).Histograms("it")
    assert event.histogram_value.num == 2
    assert not write(tmp_path / "none", values[:2]).Tags()["histograms"]
