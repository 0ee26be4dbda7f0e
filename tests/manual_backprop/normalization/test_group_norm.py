import pytest
import torch

from compare.catalogue.values import normal
from manual_backprop import functional


def test_by_hand():
    # Two groups of two channels with one position; of each μ = 0, v = 1, ρ = 1/√(1 + 3) = ½
    x = torch.tensor([[-1.0, 1, 1, -1]], requires_grad=True)
    w = torch.tensor([2.0, 4, 6, 8], requires_grad=True)
    y = functional.group_norm(x, 2, w, eps=3)
    assert y.tolist() == [[-1, 2, 3, -4]]
    y.backward(torch.tensor([[4.0, 0, 0, 1]]))
    # ĝ = (8, 0 | 0, 8), the means 4, those of ĝ x̂ −2
    assert x.grad.tolist() == [[1.5, -1.5, -1.5, 1.5]]
    assert w.grad.tolist() == [-2, 0, 0, -0.5]


@pytest.mark.parametrize(
    ("says", "shape", "groups"),
    [
        ("divide the 4 channels", (2, 4), 3),
        ("divide the 4 channels", (2, 4), 0),
        ("more than one element", (1, 4, 1), 4),
        (r"\(N, C, …\), got \(4,\)", (4,), 2),
    ],
)
def test_bad_input(says, shape, groups):
    with pytest.raises(ValueError, match=says):
        functional.group_norm(normal(*shape), groups)
