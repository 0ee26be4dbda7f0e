"""Right backwards, whatever is drawn: none is accused."""

import pytest
import torch
from torch import nn

from compare import compare_gradients
from tests.compare.by_hand import FusedLinear, by_hand, module

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


def tanh_backward(g, x):
    a = x.tanh()
    return g - g * a * a


def pair():
    layers = [nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3)]
    reference = nn.Sequential(*layers)
    manual = nn.Sequential(
        FusedLinear(20, 16),
        nn.Identity(),
        nn.Linear(16, 8),
        module(by_hand(torch.tanh, tanh_backward))(),
        nn.Linear(8, 3),
    )
    return manual, reference


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_inputs_as_they_come(dtype, scale):
    torch.manual_seed(int(scale))
    manual, reference = (model.to(dtype) for model in pair())
    report = compare_gradients(manual, reference, scale * torch.randn(33, 20, dtype=dtype))
    assert not report.originators, str(report)
    assert report.passed or report.unjudged
