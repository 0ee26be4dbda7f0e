"""The short way of a mean cross entropy that nobody looks into: to the bit as the long one."""

import pytest
import torch

from manual_backprop.functional import cross_entropy


@pytest.mark.parametrize("shape", [(7,), (130, 10), (5, 3, 4), (33, 17, 2)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("ignored", [False, True])
def test_to_the_bit(shape, dtype, ignored, monkeypatch):
    classes, rest = (shape[0], ()) if len(shape) == 1 else (shape[1], (shape[0], *shape[2:]))
    generator = torch.Generator().manual_seed(len(shape))
    z = 5 * torch.randn(shape, dtype=dtype, generator=generator)
    t = torch.randint(classes, rest, generator=generator)
    if ignored and t.dim() > 0:
        t[0] = -100
    g = torch.tensor(0.7, dtype=dtype)

    def gradient(function):
        leaf = z.clone().requires_grad_()
        return torch.autograd.grad(function(leaf, t), leaf, g)[0]

    found = gradient(cross_entropy)
    if len(shape) < 3:  # PyTorch's softmax over another dimension than the last rounds otherwise
        assert torch.equal(found, gradient(torch.nn.functional.cross_entropy))
    monkeypatch.setattr("manual_backprop.loss.cross_entropy.is_plain_mean", lambda *_: False)
    assert torch.equal(found, gradient(cross_entropy))
