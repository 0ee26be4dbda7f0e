"""A checker that was never seen failing is not a checker: each is tried on planted bugs."""

from dataclasses import replace

import pytest
import torch

from compare.catalogue.entry import call
from compare.catalogue.values import normal
from manual_backprop.activation import rectifiers, sigmoids, smooth_rectifiers, softmax
from manual_backprop.affine import linear
from manual_backprop.loss.cross_entropy import CrossEntropyFunction
from manual_backprop.loss.mse import MSEFunction
from manual_backprop.loss.nll import NLLFunction
from manual_backprop.loss.soft_nll import SoftNLLFunction
from tests.manual_backprop import checks
from tests.manual_backprop.cases import CASES, SPECIAL


def case(name, among=CASES):
    """The first case of that name: the one with the fewest options."""
    return next(c for c in among if c.name == name)


def wrong_sign(ctx, g):
    (a,) = ctx.saved_tensors
    return -g * (1 - a) * a


def missing_derivative(ctx, g):
    return g.clone()


def zeros(ctx, g):
    return torch.zeros_like(g), None


def without_cross_term(ctx, g):
    (a,) = ctx.saved_tensors
    return g * a, None


def derivative_one_at_the_kink(ctx, g):
    (a,) = ctx.saved_tensors
    return torch.where(a < 0, 0, g)


def mask_by_product(ctx, g):
    (a,) = ctx.saved_tensors
    return g * (a > 0)


def kernel_of_torch(ctx, g):
    (a,) = ctx.saved_tensors
    return torch.ops.aten.sigmoid_backward(g, a)


def constant_for_second_order(ctx, g):
    (a,) = ctx.saved_tensors
    a = a.detach()
    return g * (1 - a) * a


def in_place(ctx, g):
    (a,) = ctx.saved_tensors
    return g.mul_((1 - a) * a)


def viewed(ctx, g):
    (a,) = ctx.saved_tensors
    return g.view(-1).view(a.shape) * (1 - a) * a


def in_float32(ctx, g):
    (a,) = ctx.saved_tensors
    return g.float() * ((1 - a) * a).float()


def bias_not_summed(ctx, g):
    x, W = ctx.saved_tensors
    return g @ W, g.flatten(0, -2).T @ x.flatten(0, -2), g


def needs_input_grad_ignored(ctx, g):
    x, W = ctx.saved_tensors
    return g @ W, g.T @ x, g.sum(0)


def saved_twice(ctx, inputs, output):
    ctx.save_for_backward(output, inputs[0] * 1)


def with_a_graph_break(input):
    return torch.sigmoid(input) if input.sum().item() > -1e9 else input


@pytest.mark.parametrize(
    ("check", "name", "function", "method", "bug"),
    [
        (checks.check_like_torch, "sigmoid", sigmoids.SigmoidFunction, "backward", wrong_sign),
        (checks.check_like_torch, "tanh", sigmoids.TanhFunction, "backward", missing_derivative),
        (checks.check_like_torch, "softmax", softmax.SoftmaxFunction, "backward", zeros),
        (
            checks.check_like_torch,
            "softmax",
            softmax.SoftmaxFunction,
            "backward",
            without_cross_term,
        ),
        (checks.check_gradcheck, "sigmoid", sigmoids.SigmoidFunction, "backward", wrong_sign),
        (
            checks.check_gradcheck,
            "sigmoid",
            sigmoids.SigmoidFunction,
            "backward",
            constant_for_second_order,
        ),
        (
            checks.check_special_values,
            "relu",
            rectifiers.ReLUFunction,
            "backward",
            derivative_one_at_the_kink,
        ),
        (
            checks.check_special_values,
            "relu",
            rectifiers.ReLUFunction,
            "backward",
            mask_by_product,
        ),
        (checks.check_like_torch, "sigmoid", sigmoids.SigmoidFunction, "backward", in_place),
        (checks.check_like_torch, "sigmoid", sigmoids.SigmoidFunction, "backward", viewed),
        (checks.check_formula, "sigmoid", sigmoids.SigmoidFunction, "backward", in_float32),
        (checks.check_formula, "linear", linear.LinearFunction, "backward", bias_not_summed),
        (
            checks.check_formula,
            "linear",
            linear.LinearFunction,
            "backward",
            needs_input_grad_ignored,
        ),
        (
            checks.check_written_by_hand,
            "sigmoid",
            sigmoids.SigmoidFunction,
            "backward",
            kernel_of_torch,
        ),
        (
            checks.check_saved_bytes,
            "sigmoid",
            sigmoids.SigmoidFunction,
            "setup_context",
            saved_twice,
        ),
        (checks.check_compile, "sigmoid", sigmoids.SigmoidFunction, "forward", with_a_graph_break),
        (
            checks.check_func_grad_and_vmap,
            "sigmoid",
            sigmoids.SigmoidFunction,
            "backward",
            wrong_sign,
        ),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_planted_bug_is_found(monkeypatch, check, name, function, method, bug):
    monkeypatch.setattr(function, method, staticmethod(bug))
    among = SPECIAL if check is checks.check_special_values else CASES
    with pytest.raises((AssertionError, RuntimeError)):
        check(case(name, among))


@pytest.mark.parametrize("bug", [wrong_sign, constant_for_second_order])
def test_planted_bug_is_found_along_one_direction(monkeypatch, bug):
    monkeypatch.setattr(sigmoids.SigmoidFunction, "backward", staticmethod(bug))
    with pytest.raises(RuntimeError):
        checks.check_gradcheck(replace(case("sigmoid"), given=call(normal(4, 3))))


def test_a_graph_break_in_one_of_several_is_found(monkeypatch):
    checks.check_compile(case("linear"), case("sigmoid"))
    monkeypatch.setattr(sigmoids.SigmoidFunction, "forward", staticmethod(with_a_graph_break))
    with pytest.raises(RuntimeError):
        checks.check_compile(case("linear"), case("sigmoid"))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("nll_loss", NLLFunction),
        ("cross_entropy", CrossEntropyFunction),
        ("cross_entropy", SoftNLLFunction),
        ("mse_loss", MSEFunction),
    ],
)
def test_a_factor_of_the_batch_size_is_found(monkeypatch, name, function):
    right = function.backward

    def summed_instead_of_averaged(ctx, *g):
        return tuple(None if grad is None else grad * 6 for grad in right(ctx, *g))

    monkeypatch.setattr(function, "backward", staticmethod(summed_instead_of_averaged))
    found = 0
    for c in CASES:
        if c.name == name:
            try:
                checks.check_like_torch(c)
            except AssertionError:
                found += 1
    assert found


def test_wrong_autocast_policy_is_found(monkeypatch):
    monkeypatch.setattr("manual_backprop.functional.linear", linear.linear.__wrapped__)
    with pytest.raises(RuntimeError, match="dtype"):
        checks.check_autocast(case("linear"))


def test_half_precision_rounded_at_every_step_is_found(monkeypatch):
    mish = next(c for c in CASES if str(c).startswith("mish"))
    many = replace(mish, given=call(normal(400, scale=3)))
    checks.check_lower_precision(many)
    monkeypatch.setattr("manual_backprop.activation.mish.in_opmath", lambda *tensors: tensors)
    with pytest.raises(AssertionError, match="bfloat16"):
        checks.check_lower_precision(many)


def test_an_empty_tensor_that_cannot_be_reshaped_is_found(monkeypatch):
    monkeypatch.setattr(linear, "samples_in_rows", lambda t: t.reshape(-1, t.shape[-1]))
    without_features = next(c for c in SPECIAL if str(c) == "linear-(2,0)x(4,0)")
    with pytest.raises(RuntimeError, match="reshape"):
        checks.check_special_values(without_features)


def test_storage_order_taken_for_granted_is_found(monkeypatch):
    def by_storage(ctx, g):
        (z,) = ctx.saved_tensors
        σ = torch.as_strided(z, z.shape, (z.shape[1], 1)).sigmoid()
        return g * σ * (1 + z * (1 - σ))

    monkeypatch.setattr(smooth_rectifiers.SiLUFunction, "backward", staticmethod(by_storage))
    with pytest.raises(AssertionError):
        checks.check_layouts(case("silu"))
