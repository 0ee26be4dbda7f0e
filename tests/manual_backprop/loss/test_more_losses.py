"""Losses by hand, on small whole numbers, and how bad input is refused."""

import math

import pytest
import torch

import manual_backprop
from manual_backprop import functional


def tensor(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


A, Y = tensor(3, -1, 0.5, 2), tensor(1, 1, 0, 2)  # errors 2, −2, ½ and 0


@pytest.mark.parametrize(
    ("name", "arguments", "options", "loss", "grad"),
    [
        ("l1_loss", (A, Y), {}, 4.5, [1, -1, 1, 0]),
        ("smooth_l1_loss", (A, Y), {}, 3.125, [1, -1, 0.5, 0]),
        ("huber_loss", (A, Y), {"delta": 0.5}, 1.875, [0.5, -0.5, 0.5, 0]),
        ("kl_div", (tensor(0, 1), tensor(1, 2)), {}, 2 * math.log(2) - 2, [-1, -2]),
        ("kl_div", (tensor(1, 1), tensor(0, 0)), {"log_target": True}, -2, [-1, -1]),
        ("poisson_nll_loss", (tensor(0, 0), tensor(3, 1)), {}, 2, [-2, 0]),
        (
            "poisson_nll_loss",
            (tensor(1, 2), tensor(3, 4)),
            {"log_input": False, "eps": 0},
            None,
            [-2, -1],
        ),
        (
            "gaussian_nll_loss",
            (tensor(3, 1), tensor(1, 1), tensor(2, 1)),
            {},
            1 + math.log(2) / 2,
            [1, 0],
        ),
        ("hinge_embedding_loss", (tensor(3, 3, 0.5), tensor(1, -1, -1)), {}, 3.5, [1, 0, -1]),
        ("margin_ranking_loss", (tensor(3, 1), tensor(1, 2), tensor(1, 1)), {}, 1, [0, -1]),
        ("soft_margin_loss", (tensor(0, 0), tensor(1, -1)), {}, 2 * math.log(2), [-0.5, 0.5]),
        # h is 3 and 1 beside class 1; a third of each.
        (
            "multi_margin_loss",
            (tensor(2, 0, 0).reshape(1, 3), torch.tensor([1])),
            {},
            4 / 3,
            [1 / 3, -2 / 3, 1 / 3],
        ),
        (
            "multi_margin_loss",
            (tensor(2, 0, 0).reshape(1, 3), torch.tensor([1]), 2),
            {},
            10 / 3,
            [2, -8 / 3, 2 / 3],
        ),
        # 3-4-5 triangles: distances 5 and 4.
        (
            "triplet_margin_loss",
            (tensor(3, 4), tensor(0, 0), tensor(3, 0)),
            {"eps": 0},
            2,
            [0.6, -0.2],
        ),
        # At right angles, and alike: v over the lengths.
        ("cosine_embedding_loss", (tensor(2, 0), tensor(0, 3), torch.tensor(1)), {}, 1, [0, -0.5]),
    ],
)
def test_by_hand(name, arguments, options, loss, grad):
    first = arguments[0].clone().requires_grad_()
    found = getattr(functional, name)(first, *arguments[1:], reduction="sum", **options)
    if loss is not None:
        assert found.item() == pytest.approx(loss, abs=1e-12)
    found.backward()
    assert first.grad.flatten().tolist() == pytest.approx(grad, abs=1e-9)


def test_l1_weights_have_a_gradient():
    w = tensor(1, 2, 1, 0).requires_grad_()
    L = functional.l1_loss(A, Y, weight=w)  # (2 + 4 + ½)/4
    assert L.item() == 1.625
    L.backward()
    assert w.grad.tolist() == [0.09375, 0.09375, -0.28125, -0.40625]  # (L_n − L)/4


def test_variance_has_a_gradient():
    v = tensor(2, 1).requires_grad_()
    functional.gaussian_nll_loss(tensor(3, 1), tensor(1, 1), v, reduction="sum").backward()
    assert v.grad.tolist() == [-0.25, 0.5]  # ½(1/2 − 4/4) and ½(1 − 0)


def test_batchmean_is_the_divergence_per_sample():
    x, y = tensor(1, 2, 3, 4).reshape(2, 2), tensor(1, 1, 1, 1).reshape(2, 2)
    assert functional.kl_div(x, y, reduction="batchmean").item() == -5
    with pytest.warns(UserWarning, match="batchmean") as caught:
        assert functional.kl_div(x, y).item() == -2.5
    assert caught[0].filename == __file__


def test_soft_margin_does_not_overflow():
    x = tensor(-1e4).requires_grad_()
    L = functional.soft_margin_loss(x, tensor(1))
    assert L.item() == 1e4
    L.backward()
    assert x.grad.tolist() == [-1]


def test_a_target_that_broadcasts_is_warned_of_at_the_caller():
    with pytest.warns(UserWarning, match="rarely what is meant") as caught:
        functional.l1_loss(torch.ones(2, 3), torch.ones(3))
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("error", "says", "call"),
    [
        (ValueError, r"weight .* \(4,\), got \(3,\)", lambda f: f.l1_loss(A, Y, weight=A[:3])),
        (ValueError, "beta of 0 or more, got -1", lambda f: f.smooth_l1_loss(A, Y, beta=-1)),
        (ValueError, "positive delta, got 0", lambda f: f.huber_loss(A, Y, delta=0)),
        (ValueError, "smallest is -1", lambda f: f.gaussian_nll_loss(A, Y, A)),
        (ValueError, r"variance .* got \(3,\)", lambda f: f.gaussian_nll_loss(A, Y, A[:3].abs())),
        (
            RuntimeError,
            "same number of dim",
            lambda f: f.margin_ranking_loss(A, Y, tensor(1).sum()),
        ),
        (RuntimeError, "target", lambda f: f.soft_margin_loss(A, A.clone().requires_grad_())),
        (ValueError, "p 1 or 2, got 3", lambda f: f.multi_margin_loss(A, torch.tensor(0), 3)),
        (ValueError, r"\(N, C\)", lambda f: f.multi_margin_loss(A, torch.tensor([0, 1]))),
        (RuntimeError, r"\(N, D\)", lambda f: f.cosine_embedding_loss(A, Y, torch.ones(4))),
        (ValueError, "positive margin", lambda f: f.triplet_margin_loss(A, Y, Y, margin=0)),
    ],
)
def test_bad_input(error, says, call):
    with pytest.raises(error, match=says):
        call(functional)


def test_modules_have_no_state_of_their_own():
    for name in ("L1Loss", "HuberLoss", "KLDivLoss", "TripletMarginLoss"):
        manual, reference = getattr(manual_backprop, name)(), getattr(torch.nn, name)()
        assert not manual.load_state_dict(reference.state_dict()).missing_keys
