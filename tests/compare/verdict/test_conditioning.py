"""What is ill-conditioned is less accurate, and not wrong; what is wrong by a little still is."""

import json
import math

import pytest
import torch
from torch.nn import functional as F

from compare import compare_gradients
from compare.trial.cotangents import feed, random
from compare.trial.question import Question
from compare.trial.trial import run
from compare.verdict.conditioning import movement
from tests.compare.by_hand import by_hand
from tests.exhaustive import some


def written_out(q, k, v):
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v


def scaled_first(q, k, v):
    return ((q / math.sqrt(q.shape[-1])) @ k.mT).softmax(-1) @ v


def flash_forward(q, k, v):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return (scores - scores.logsumexp(-1, keepdim=True)).exp() @ v


def flash_backward(g, q, k, v):
    scale = 1 / math.sqrt(q.shape[-1])
    scores = q @ k.mT * scale
    p = (scores - scores.logsumexp(-1, keepdim=True)).exp()
    delta = p * (g @ v.mT - (g * (p @ v)).sum(-1, keepdim=True)) * scale
    return delta @ k, delta.mT @ q, p.mT @ g


flash = by_hand(flash_forward, flash_backward)


def qkv(seed):
    torch.manual_seed(seed)
    return [torch.randn(2, 9, 8) for _ in range(3)]


@pytest.mark.parametrize("seed", some(range(2), range(4)))
@pytest.mark.parametrize("manual", [F.scaled_dot_product_attention, scaled_first, flash])
def test_right_attentions_are_not_accused(manual, seed):
    report = compare_gradients(manual, written_out, *qkv(seed), seed=seed)
    assert report.passed, str(report)


def test_less_accurate_has_its_own_row_and_fails_when_strict():
    report = compare_gradients(flash, written_out, *qkv(0))
    assert report.verdict == "less accurate than the reference"
    content = json.loads(json.dumps(report.as_json()))
    worse = content["less_accurate"]
    assert worse
    assert set(worse[0]) >= {"name", "error", "allowed", "conditioning", "input", "cotangent"}
    assert all(row["error"] > row["allowed"] for row in worse)
    assert all(row["input"] == "saturating" for row in worse)

    strict = compare_gradients(flash, written_out, *qkv(0), strict=True)
    assert not strict.passed
    assert "less accurate" in str(strict)


@pytest.mark.parametrize("factor", [1.001, 0.999])
def test_a_factor_on_what_is_given_is_not_hidden(factor):
    def backward(*args):
        grad_q, *others = flash_backward(*args)
        return grad_q * factor, *others

    report = compare_gradients(by_hand(flash_forward, backward), written_out, *qkv(0))
    [layer] = report.originators
    assert [fault.gradient for fault in layer.faults] == ["input 0"]
    assert layer.faults[0].input == "given"


def output_moves_by(function, *inputs):
    """Relative to the truth, when numbers are rounded as in the inputs' dtype."""
    question = Question(function, function, inputs)
    sides = question.sides()
    fed_in = {"one": feed(random, sides.reference.outputs(question.given), 0)}
    [trial] = run(sides, question.given, fed_in)
    moved = movement(trial, sides.reference, inputs[0].dtype)
    [output] = [m for key, m in moved.items() if key.kind == "output"]
    return output / function(*(x.double() for x in inputs))


def test_the_movement_is_what_mathematics_says():
    """x − y loses as many digits as they share; their product loses none."""
    x, y = torch.tensor([1000.1, 1.1]), torch.tensor([999.1, -1.1])
    relative = output_moves_by(lambda x, y: (x - y).exp(), x, y)
    eps = torch.finfo(torch.float32).eps
    assert 500 * eps < relative[0] < 3000 * eps
    assert relative[1] < 10 * eps


@pytest.mark.parametrize("sigmoid", [torch.sigmoid, lambda x: x.clone().sigmoid_()])
def test_what_is_computed_in_place_is_rounded_too(sigmoid):
    """1 − σ(20) is 2·10⁻⁹, and float32 has nothing between 1 − 6·10⁻⁸ and 1."""
    assert output_moves_by(lambda x: 1 - sigmoid(x), torch.tensor([20.0])) > 1


def test_what_an_operation_in_place_leaves_as_it_was_is_not_rounded_again():
    def written_at_0(x):
        y = x * 1.1
        for _ in range(300):
            y[torch.tensor([0])] = x[0]
        return y

    relative = output_moves_by(written_at_0, torch.rand(5) + 1.1)
    assert 0 < relative.max() < 10 * torch.finfo(torch.float32).eps


def test_a_rounded_logarithm_multiplies_each_probability_of_its_row():
    """exp(z − λ) with λ = 1000 ± 8, which is as near as bfloat16 comes."""
    z = torch.tensor([[1000.0, 992.0], [1.0, -7.0]]).bfloat16()
    relative = output_moves_by(lambda z: z.softmax(-1), z)
    assert relative[0, 1] > 100
    assert relative[1].max() < 0.3


def test_a_label_that_is_a_float_is_not_moved():
    x, y = torch.randn(16, requires_grad=True), torch.randint(2, (16,)) * 2.0 - 1

    def backward(g, x, y):
        return g * torch.where(y == 1, -1.0, -(x < 1).float()) / 16, None  # for y = 1 it is +1

    manual = by_hand(F.hinge_embedding_loss, backward)
    assert not compare_gradients(manual, F.hinge_embedding_loss, x, y).passed


def test_a_probability_that_is_1_but_for_its_rounding_is_moved_too():
    """1 − p is 10⁻¹⁸ there, which even float64 does not see."""

    def by_its_jacobian(g, z):
        p = z.softmax(-1)
        return torch.einsum("nk,nkj->nj", g, torch.diag_embed(p) - p[:, :, None] * p[:, None, :])

    torch.manual_seed(0)
    z = 40 * torch.eye(4)[torch.randint(4, (6,))] + torch.rand(6, 4)
    manual = by_hand(lambda z: z.softmax(-1), by_its_jacobian)
    report = compare_gradients(manual, lambda z: z.softmax(-1), z)
    assert report.passed, str(report)
