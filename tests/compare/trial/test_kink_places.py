"""Where a layer has its kinks, and that it is asked beside them."""

import pytest
import torch
from torch.nn import functional as F

from compare import compare_gradients
from compare.trial.case import Case
from compare.trial.kink_places import kink_places
from compare.trial.question import Question
from tests.compare.by_hand import by_hand


def places(function, *inputs):
    question = Question(function, function, inputs)
    return kink_places(question.given, Case(function, by_layer=False))


@pytest.mark.parametrize(
    ("function", "kinks"),
    [
        (F.hardswish, [-3, 3]),
        (F.relu6, [0, 6]),
        (lambda x: F.threshold(x, 0.2, 5.0), [0.2]),
        (lambda x: x.clamp(-0.51, 0.73), [-0.51, 0.73]),
    ],
    ids=["hardswish", "relu6", "threshold", "clamp"],
)
def test_all_kinks_are_found(function, kinks):
    torch.manual_seed(0)
    [found] = places(function, torch.randn(9, 8))
    distances = (found[~found.isnan()][:, None] - torch.tensor(kinks).double()).abs()
    assert (distances.amin(1) < 1e-6).all()
    assert (distances.amin(0) < 1e-6).all()


def test_each_number_has_its_own_where_another_tensor_decides():
    torch.manual_seed(0)
    x, y = torch.randn(9, 5), torch.randn(9, 5)
    of_x, of_y = places(lambda x, y: (x - y).abs().sum(), x, y)
    assert torch.allclose(of_x, y.double(), atol=1e-6)
    assert torch.allclose(of_y, x.double(), atol=1e-6)


@pytest.mark.parametrize("function", [torch.tanh, lambda x: x @ torch.eye(8).to(x), F.softmax])
def test_what_is_smooth_has_none(function):
    smooth = (lambda x: F.softmax(x, 1)) if function is F.softmax else function
    assert places(smooth, torch.randn(9, 8)) == [None]


@pytest.mark.parametrize("off", [1e-3, -1e-3, 1e-4])
@pytest.mark.parametrize("edge", [-3, 3])
def test_a_mask_off_beside_one_of_two_kinks(edge, off):
    low, high = (-3 + off, 3) if edge < 0 else (-3, 3 + off)

    def backward(g, x):
        return g * torch.where(x >= high, 1.0, torch.where(x <= low, 0.0, x / 3 + 0.5))

    torch.manual_seed(0)
    report = compare_gradients(by_hand(F.hardswish, backward), F.hardswish, torch.randn(9, 8))
    [layer] = report.originators
    assert layer.faults[0].input == "next to kinks"


def test_a_margin_that_two_tensors_decide():
    def loss(x, y):
        return (0.3 - y * x).clamp_min(0).mean()

    def backward(g, x, y):
        inside = g * (y * x < 0.3 + 1e-4) / x.numel()
        return -inside * y, -inside * x

    torch.manual_seed(0)
    inputs = torch.randn(9, 5), torch.randn(9, 5)
    assert not compare_gradients(by_hand(loss, backward), loss, *inputs).passed
