import pytest
import torch

from compare.catalogue.values import normal
from manual_backprop import functional


def test_by_hand():
    # 1/m Σ x² = 1, r = 1/√(1 + 3) = ½
    x = torch.tensor([[-1.0, 1, -1, 1]], requires_grad=True)
    w = torch.tensor([2.0, 4, 6, 8], requires_grad=True)
    y = functional.rms_norm(x, (4,), w, eps=3)
    assert y.tolist() == [[-1, 2, -3, 4]]
    y.backward(torch.tensor([[4.0, 0, 0, 0]]))
    # ĝ = (8, 0, 0, 0), the mean of ĝ x̂ −1
    assert x.grad.tolist() == [[3.75, 0.25, -0.25, 0.25]]
    assert w.grad.tolist() == [-2, 0, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_the_epsilon_of_none_is_that_of_torch(dtype):
    """Of inputs so small that it is all there is."""
    x = (1e-4 * normal(5, 4)).to(dtype).requires_grad_()
    g = normal(5, 4, seed=1).to(dtype)
    outputs = [f.rms_norm(x, (4,)) for f in (functional, torch.nn.functional)]
    ours, theirs = (torch.autograd.grad(y, x, g)[0] for y in outputs)
    torch.testing.assert_close(ours, theirs)


def test_bad_input():
    with pytest.raises(ValueError, match=r"got input \(5, 3\) and normalized_shape \(4,\)"):
        functional.rms_norm(normal(5, 3), (4,))
