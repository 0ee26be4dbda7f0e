import pytest
import torch

from tests.torch_models.short_trainings import outcome
from torch_models.classifier import Classifier
from torch_models.tamed_descent import prepare


def prepared(step, gradients, **settings):
    """The learning rate and the gradients of a descent whose lr is 0.8."""
    weights = [torch.zeros(len(g), requires_grad=True) for g in gradients]
    for w, g in zip(weights, gradients, strict=True):
        w.grad = torch.tensor(g)
    descent = torch.optim.SGD(weights, lr=0.8)
    prepare(
        descent.param_groups, step, 0.8, **{"warmup": 0, "half_life": 0, "clip": 0.0} | settings
    )
    return descent.param_groups[0]["lr"], [w.grad.tolist() for w in weights]


def test_warm_up_by_hand():
    rates = [prepared(step, [[1.0]], warmup=4)[0] for step in range(6)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])
    assert prepared(0, [[1.0]])[0] == 0.8


def test_half_life_by_hand():
    rates = [prepared(step, [[1.0]], warmup=2, half_life=2)[0] for step in range(5)]
    assert rates == pytest.approx([0.4, 0.8 / 2**0.5, 0.4, 0.4 / 2**0.5, 0.2])
    assert prepared(7, [[1.0]], half_life=7)[0] == 0.4


def test_clipping_by_hand():
    """‖(3, 4), (12)‖ = 13."""
    gradients = [[3.0, 4.0], [12.0]]
    assert prepared(0, gradients)[1] == gradients
    assert prepared(0, gradients, clip=14.0)[1] == gradients
    _, clipped = prepared(0, gradients, clip=1.3)
    assert clipped[0] == pytest.approx([0.3, 0.4], rel=1e-5)
    assert clipped[1] == pytest.approx([1.2], rel=1e-5)


def test_the_training_uses_them(tmp_path):
    options = ["--half-life", "5", "--clip", "0.5", "--precision", "64-true"]
    tamed, _ = outcome(tmp_path / "tamed", *options)
    plain, _ = outcome(tmp_path / "plain", *options[4:])
    name = "network.0.weight"
    assert not torch.equal(tamed["state_dict"][name], plain["state_dict"][name])
    assert tamed["hyper_parameters"]["half_life"] == 5


def test_masks_follow_from_seed_step_and_process():
    model = Classifier(network="vit", seed=5)
    before = torch.get_rng_state()

    def mask(step, rank=0):
        with model.masks(step, rank):
            return torch.nn.functional.dropout(torch.ones(40))

    assert torch.equal(mask(3), mask(3))
    assert not torch.equal(mask(3), mask(4))
    assert not torch.equal(mask(3), mask(3, rank=1))
    assert torch.equal(torch.get_rng_state(), before)
