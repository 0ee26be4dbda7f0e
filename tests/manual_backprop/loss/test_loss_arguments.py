"""Weights of losses, what is ignored, and the arguments that PyTorch had before ``reduction``."""

import math

import pytest
import torch
from torch.nn import functional as F

from compare.catalogue.values import classes, normal, probabilities
from manual_backprop import functional

REDUCTIONS = ["none", "mean", "sum"]


@pytest.mark.filterwarnings("ignore:.*broadcasting:UserWarning")
def test_a_weight_of_mse_counts_once_where_the_input_is_broadcast():
    a = torch.tensor([[1.0], [0]], requires_grad=True)
    w = torch.tensor([[1.0], [3]], requires_grad=True)
    y = torch.tensor([[3.0, 1], [1, 2]])
    L = functional.mse_loss(a, y, weight=w)  # (1·(4 + 0) + 3·(1 + 4)) / (1 + 3)
    grad_a, grad_w = torch.autograd.grad(L, (a, w))
    assert L.item() == 4.75
    assert grad_a.tolist() == [[-1], [-4.5]]
    assert grad_w.tolist() == [[(4 - 4.75) / 4], [(5 - 4.75) / 4]]


def test_weights_of_a_cross_entropy_with_probabilities_have_a_gradient():
    z = torch.zeros(2, 2, dtype=torch.float64)  # ln ŷ = −ln 2 everywhere
    y = torch.tensor([[1.0, 0], [2, 3]], dtype=torch.float64)
    w = torch.tensor([1.0, 5], dtype=torch.float64, requires_grad=True)
    L = functional.cross_entropy(z, y, w, reduction="sum")
    (grad,) = torch.autograd.grad(L, w)
    torch.testing.assert_close(grad, math.log(2) * torch.tensor([3.0, 3], dtype=torch.float64))


@pytest.mark.filterwarnings("ignore:.*broadcasting:UserWarning")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("loss", "shapes"),
    [
        (lambda f, a, y, w, r: f.mse_loss(a, y, reduction=r, weight=w), [(3, 1), (3, 4), (3, 1)]),
        (lambda f, z, y, w, r: f.cross_entropy(z, y, w, reduction=r), [(2, 3, 2)] * 2 + [(3,)]),
    ],
    ids=["mse", "cross entropy"],
)
def test_gradients_of_weights_are_differentiable_and_mapped(loss, shapes, reduction):
    arguments = [probabilities(*s, seed=i).requires_grad_() for i, s in enumerate(shapes)]
    torch.autograd.gradcheck(lambda *a: loss(functional, *a, reduction), arguments)
    torch.autograd.gradgradcheck(lambda *a: loss(functional, *a, reduction), arguments)
    batched = [torch.stack([a, 2 * a]).detach() for a in arguments]

    def of_weight(*a):
        return torch.func.grad(lambda *a: loss(functional, *a, reduction).sum(), argnums=2)(*a)

    one_by_one = torch.stack([of_weight(*(b[i] for b in batched)) for i in range(2)])
    torch.testing.assert_close(torch.vmap(of_weight)(*batched), one_by_one)


CONSTANT = {
    "nll_loss": lambda f, w: f.nll_loss(normal(4, 3), classes(4, of=3), w),
    "cross_entropy": lambda f, w: f.cross_entropy(normal(4, 3), classes(4, of=3), w),
    "bce": lambda f, w: f.binary_cross_entropy(*(probabilities(4, 3),) * 2, w),
    "logits": lambda f, w: f.binary_cross_entropy_with_logits(*(probabilities(4, 3),) * 2, w),
    "pos_weight": lambda f, w: f.binary_cross_entropy_with_logits(
        *(probabilities(4, 3),) * 2, pos_weight=w
    ),
}


@pytest.mark.parametrize("name", CONSTANT)
def test_weights_without_a_gradient_are_refused_where_pytorch_refuses_them(name):
    w = probabilities(3).requires_grad_()
    with pytest.raises(RuntimeError, match="not differentiable with respect to"):
        CONSTANT[name](F, w)
    with pytest.raises(RuntimeError, match="expected a tensor with requires_grad=False"):
        CONSTANT[name](functional, w)
    with torch.no_grad():
        torch.testing.assert_close(CONSTANT[name](functional, w), CONSTANT[name](F, w))


@pytest.mark.parametrize("target", [classes(4, of=3), probabilities(4, 3)], ids=["t", "y"])
def test_labels_smoothed_away_leave_the_uniform_distribution(target):
    z = normal(4, 3).requires_grad_()
    L = functional.cross_entropy(z, target, reduction="sum", label_smoothing=1)
    expected = z.softmax(1) - 1 / 3
    torch.testing.assert_close(L, -z.log_softmax(1).mean(1).sum())
    torch.testing.assert_close(*torch.autograd.grad(L, z), expected.detach())


@pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_an_index_that_is_ignored_need_not_be_a_class(name, reduction):
    z, t = normal(3, 2).requires_grad_(), torch.tensor([0, 7, 1])
    options = {"ignore_index": 7, "reduction": reduction}
    ours, theirs = (getattr(f, name)(z, t, **options) for f in (functional, F))
    torch.testing.assert_close(ours, theirs)
    grads = [torch.autograd.grad(L, z, torch.ones_like(L))[0] for L in (ours, theirs)]
    torch.testing.assert_close(*grads)
    assert grads[0][1].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("former", "reduction"),
    [
        ({"size_average": True}, "mean"),
        ({"size_average": False}, "sum"),
        ({"reduce": True}, "mean"),
        ({"reduce": False}, "none"),
    ],
    ids=str,
)
def test_one_former_argument_is_enough(former, reduction):
    a, y = normal(3, 2), normal(3, 2, seed=1)
    with pytest.warns(UserWarning, match=f"reduction='{reduction}'"):
        found = functional.mse_loss(a, y, **former)
    assert torch.equal(found, functional.mse_loss(a, y, reduction=reduction))


@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_weights_in_half_precision_do_not_round_the_gradient_of_a_mean(name):
    a, y = probabilities(500).half().requires_grad_(), probabilities(500, seed=1).half()
    w = torch.linspace(1, 2, 500).half()
    L = getattr(functional, name)(a, y, w)
    (grad,) = torch.autograd.grad(L, a, torch.tensor(1e-3).half())  # 1e-3 / 500 is subnormal
    exact = a.detach().double().requires_grad_()
    L = getattr(F, name)(exact, y.double(), w.double())
    (expected,) = torch.autograd.grad(L, exact, torch.tensor(1e-3).half().double())
    assert torch.equal(grad, expected.half())
