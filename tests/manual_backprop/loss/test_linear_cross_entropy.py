import math

import pytest
import torch
from torch.nn import functional as F

from compare.catalogue.values import classes, normal
from manual_backprop.functional import linear_cross_entropy
from tests.manual_backprop.calls import close
from tests.manual_backprop.checks import Operations


def given(samples=12, of=40, dtype=torch.float64):
    x, W = normal(samples, 3).to(dtype), normal(of, 3, seed=1).to(dtype)
    return x.requires_grad_(), W.requires_grad_(), classes(samples, of=of)


def test_by_hand():
    """Logits 0 and ln 3 make ŷ = (¼, ¾), the classes being 0 and then 1."""
    x = torch.tensor([[1.0], [1.0]], requires_grad=True)
    W = torch.tensor([[0.0], [math.log(3)]], requires_grad=True)
    L = linear_cross_entropy(x, W, torch.tensor([0, 1]), reduction="sum", chunk_size=1)
    (3 * L).backward()
    torch.testing.assert_close(L.item(), math.log(4) + math.log(4 / 3))
    # δ = 3 (−¾, ¾) and 3 (¼, −¼)
    torch.testing.assert_close(x.grad, math.log(3) * torch.tensor([[2.25], [-0.75]]))
    torch.testing.assert_close(W.grad, torch.tensor([[-1.5], [1.5]]))


def test_the_logits_never_exist_at_once():
    x, W, t = given(samples=40)
    with Operations() as operations:
        L = linear_cross_entropy(x, W, t, chunk_size=4)
        torch.autograd.grad(L, (x, W))
    assert operations.largest == 40 * 4  # those of a chunk, and not 40 · 40


def test_a_loss_alone_forms_no_gradient():
    x, W, t = given()
    with torch.no_grad(), Operations() as operations:
        linear_cross_entropy(x, W, t, chunk_size=4)
    assert "addmm.default" not in operations.names


@pytest.mark.parametrize("wanted", ["x", "W"])
def test_a_gradient_that_nobody_wants_is_not_formed(wanted):
    x, W, t = given()
    (x if wanted == "W" else W).requires_grad_(False)
    of = x if wanted == "x" else W
    found, expected = (
        torch.autograd.grad(L, of)[0]
        for L in (linear_cross_entropy(x, W, t), F.cross_entropy(F.linear(x, W), t))
    )
    close(found, expected)
    # A leaf may change its mind before the backward: then it is formed there.
    L = linear_cross_entropy(x, W, t)
    close(torch.autograd.grad(L * 2, of)[0], 2 * expected)


def test_twice_through_the_same_graph():
    x, W, t = given()
    L = linear_cross_entropy(x, W, t)
    first = torch.autograd.grad(L, (x, W), retain_graph=True)
    for actual, expected in zip(torch.autograd.grad(L, (x, W)), first, strict=True):
        assert torch.equal(actual, expected)


def test_a_scaled_loss_in_half_precision_does_not_underflow():
    """What the forward forms is as small as without the scale, and is kept in float32."""
    x, W, t = given(samples=2000, dtype=torch.float16)
    x.data *= 1e-3
    (of_W,) = torch.autograd.grad(linear_cross_entropy(x, W, t) * 2**16, W)
    x64, W64 = (a.detach().double().requires_grad_() for a in (x, W))
    (truth,) = torch.autograd.grad(F.cross_entropy(F.linear(x64, W64), t) * 2**16, W64)
    torch.testing.assert_close(of_W.double(), truth, rtol=2e-3, atol=2e-3 * truth.abs().max())


@pytest.mark.parametrize(
    ("says", "options"),
    [
        ("'mean' or 'sum', got 'none'; ", {"reduction": "none"}),
        ("chunk_size above 0, got 0", {"chunk_size": 0}),
        (r"int64, of shape \(12,\)", {"target": classes(3, of=4)}),
        (r"int64, of shape \(12,\).* got torch.float64", {"target": normal(12)}),
        (r"weight \(classes, in\), got \(3,\)", {"linear_weight": normal(3)}),
        (r"linear_cross_entropy: .*\(40, 2\)", {"linear_weight": normal(40, 2)}),
    ],
)
def test_bad_input(says, options):
    x, W, t = given()
    with pytest.raises(ValueError, match=says):
        linear_cross_entropy(**{"input": x, "linear_weight": W, "target": t, **options})


def test_a_class_that_there_is_not():
    x, W, t = given()
    with pytest.raises(RuntimeError, match="out of bounds"):
        linear_cross_entropy(x, W, t + 40)
