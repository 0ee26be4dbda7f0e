import inspect

import pytest
import torch

import manual_backprop
from compare.catalogue.values import classes, normal
from manual_backprop import functional
from tests.manual_backprop.cases import OURS_ALONE


def test_same_seed_same_initial_weights():
    torch.manual_seed(0)
    manual = manual_backprop.Linear(5, 3)
    torch.manual_seed(0)
    reference = torch.nn.Linear(5, 3)
    assert torch.equal(manual.weight, reference.weight)


@pytest.mark.parametrize("name", [n for n in functional.__all__ if n not in OURS_ALONE])
def test_signature_is_the_one_of_torch(name):
    parameters = list(inspect.signature(getattr(functional, name)).parameters.values())
    twin = torch.nn.functional
    # Of the two functions that return_indices chooses between, this one has a signature.
    reference = getattr(twin, f"{name}_with_indices", getattr(twin, name))
    try:
        expected = inspect.signature(reference).parameters.values()
    except ValueError:  # written in C++; the first line of its documentation says it
        pytest.skip(f"torch.nn.functional.{name} has no signature to compare with")
    assert [p.name for p in parameters] == [p.name for p in expected]
    assert [p.default for p in parameters] == [p.default for p in expected]


@pytest.mark.parametrize("of", [torch.clone, lambda x: x.clone().requires_grad_()])
def test_identity_returns_a_copy(of):
    x = of(torch.ones(3))
    a = manual_backprop.Identity()(x)
    assert a.data_ptr() != x.data_ptr()
    assert a.tolist() == [1, 1, 1]


def test_linear_by_hand():
    x = torch.tensor([[1.0, 2], [3, 4]], requires_grad=True)
    W = torch.tensor([[1.0, -1], [2, 0], [0, 3]], requires_grad=True)
    b = torch.tensor([1.0, 0, -1], requires_grad=True)
    z = functional.linear(x, W, b)
    assert z.tolist() == [[0, 2, 5], [0, 6, 11]]
    z.backward(torch.tensor([[1.0, 2, 3], [4, 5, 6]]))
    assert x.grad.tolist() == [[5, 8], [14, 14]]
    assert W.grad.tolist() == [[13, 18], [17, 24], [21, 30]]
    assert b.grad.tolist() == [5, 7, 9]


def test_activated_linear_by_hand():
    z = torch.tensor([[1.0, -2], [-3, 4]], requires_grad=True)
    layer = manual_backprop.ActivatedLinear(2, 3, activation="relu")
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -1], [2, 0], [0, 3]]))
        layer.bias.copy_(torch.tensor([1.0, 0, -1]))
    y = layer(z)  # of a = [[1, 0], [0, 4]]
    assert y.tolist() == [[2, 2, -1], [-3, 0, 11]]
    y.backward(torch.tensor([[1.0, 2, 3], [4, 5, 6]]))
    assert z.grad.tolist() == [[5, 0], [0, 14]]
    assert layer.weight.grad.tolist() == [[1, 16], [2, 20], [3, 24]]
    assert layer.bias.grad.tolist() == [5, 7, 9]
    with pytest.raises(ValueError, match=r"expected an activation of relu, .*, got 'step'"):
        manual_backprop.ActivatedLinear(2, 3, activation="step")
    with pytest.raises(ValueError, match=r"expected weight \(out, in\), got \(2,\)"):
        functional.activated_linear(z, torch.ones(2))


def test_activated_linear_keeps_half():
    """z alone, where an activation and a Linear keep z and a."""
    x = normal(6, 5, seed=3)
    W = torch.nn.Parameter(normal(4, 5))
    kept: dict[str, int] = {}
    for name, function in (
        ("two", lambda z: torch.nn.functional.linear(torch.nn.functional.gelu(z), W)),
        ("one", lambda z: functional.activated_linear(z, W)),
    ):
        z = x.clone().requires_grad_() * 1
        seen = {W.data_ptr()}
        kept[name] = 0

        def pack(tensor, name=name, seen=seen):
            if tensor.data_ptr() not in seen:
                seen.add(tensor.data_ptr())
                kept[name] += tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            function(z)
    assert kept == {"two": 2 * 6 * 5 * 8, "one": 6 * 5 * 8}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_samples_that_are_ignored_have_no_gradient(name, reduction):
    """Not even where all are, whose mean is 0/0, nor under an infinite one."""
    z = normal(2, 3).requires_grad_()
    loss = getattr(functional, name)(z, torch.full((2,), -100), reduction=reduction)
    incoming = torch.full_like(loss, torch.inf if reduction == "none" else 1)
    assert torch.autograd.grad(loss, z, incoming)[0].tolist() == [[0, 0, 0]] * 2


def test_batched_gradients():
    x = normal(6, 4).requires_grad_()
    layer = manual_backprop.Linear(4, 3, dtype=torch.float64)
    found = torch.autograd.grad(layer(x), x, normal(2, 6, 3), is_grads_batched=True)[0]
    assert torch.allclose(found, normal(2, 6, 3) @ layer.weight)


def test_squared_error_by_hand():
    a = torch.tensor([[1.0, 4], [0, 2]], requires_grad=True)
    y = torch.tensor([[3.0, 4], [1, 0]])
    for reduction, loss, grad in [
        ("sum", 4.5, [[-2, 0], [-1, 2]]),
        ("mean", 2.25, [[-1, 0], [-0.5, 1]]),  # over two samples, not four elements
    ]:
        L = manual_backprop.SquaredErrorLoss(reduction)(a, y)
        assert L.item() == loss
        assert torch.autograd.grad(L, a)[0].tolist() == grad


def test_cross_entropy_is_prediction_minus_target():
    z = normal(5, 3).requires_grad_()
    t = classes(5, of=3)
    (delta,) = torch.autograd.grad(functional.cross_entropy(z, t, reduction="sum"), z)
    expected = z.softmax(1) - torch.nn.functional.one_hot(t, 3)
    torch.testing.assert_close(delta, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_mlp_is_bit_for_bit_that_of_autograd(seed):
    def gradients(layers):
        torch.manual_seed(seed)
        model = torch.nn.Sequential(layers.Linear(784, 160), layers.ReLU(), layers.Linear(160, 10))
        x, t = torch.rand(128, 784), torch.randint(10, (128,))
        loss = layers.CrossEntropyLoss()(model(x), t)
        return [loss, *torch.autograd.grad(loss, list(model.parameters()))]

    for manual, reference in zip(gradients(manual_backprop), gradients(torch.nn), strict=True):
        assert torch.equal(manual, reference)


@pytest.mark.exhaustive  # it starts a compiler of C++, which takes ten seconds
def test_compiled_by_inductor():
    torch._dynamo.reset()
    layers = manual_backprop
    model = torch.nn.Sequential(layers.Linear(4, 8), layers.GELU(), layers.Linear(8, 3)).double()
    x, t = normal(6, 4), classes(6, of=3)

    def loss(x, t):
        return functional.cross_entropy(model(x), t)

    expected = torch.autograd.grad(loss(x, t), list(model.parameters()))
    actual = torch.autograd.grad(
        torch.compile(loss, fullgraph=True)(x, t), list(model.parameters())
    )
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("error", "says", "call"),
    [
        (
            ValueError,
            r"\(2, 3\) and weight \(4, 5\)",
            lambda f: f.linear(normal(2, 3), normal(4, 5)),
        ),
        (ValueError, r"bias \(4,\)", lambda f: f.linear(normal(2, 3), normal(4, 3), normal(3))),
        (ValueError, "approximate", lambda f: f.gelu(normal(2), approximate="sigmoid")),
        (ValueError, "reduction", lambda f: f.mse_loss(normal(2), normal(2), reduction="max")),
        (ValueError, r"\(3,\)", lambda f: f.squared_error_loss(normal(2), normal(3))),
        (ValueError, r"\(3,\)", lambda f: f.binary_cross_entropy(normal(2), normal(3))),
        (RuntimeError, "between 0 and 1", lambda f: f.binary_cross_entropy(normal(9), normal(9))),
        (ValueError, r"\(4,\)", lambda f: f.cross_entropy(normal(4, 3), classes(5, of=3))),
        (ValueError, "int64", lambda f: f.cross_entropy(normal(4, 3), normal(4))),
        (ValueError, "floating", lambda f: f.cross_entropy(normal(4, 3), classes(4, 3, of=2))),
        (ValueError, "0-d", lambda f: f.cross_entropy(normal(), classes(of=3))),
        (ValueError, "3 classes", lambda f: f.nll_loss(normal(4, 3), classes(4, of=3), normal(4))),
        (IndexError, "out of bounds", lambda f: f.nll_loss(normal(4, 3), classes(4, of=3) + 3)),
        (
            ValueError,
            "label_smoothing",
            lambda f: f.cross_entropy(normal(4, 3), classes(4, of=3), label_smoothing=2),
        ),
        (
            RuntimeError,
            "requires_grad=False",
            lambda f: f.nll_loss(normal(4, 3), classes(4, of=3), normal(3).requires_grad_()),
        ),
    ],
)
def test_bad_input(error, says, call):
    with pytest.raises(error, match=says):
        call(functional)


@pytest.mark.parametrize("name", functional.__all__)
def test_complex_numbers_are_refused(name):
    with pytest.raises(TypeError, match="real tensor"):
        getattr(functional, name)(torch.ones(2, 2, dtype=torch.complex64), torch.ones(2, 2))


def test_implicit_dim_warns_at_the_caller():
    with pytest.warns(UserWarning, match="dim=1") as caught:
        functional.softmax(normal(2, 3))
    assert caught[0].filename == __file__


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_autocast_types_on_a_gpu(dtype):
    x, t = torch.randn(8, 4, device="cuda"), torch.randint(4, (8,), device="cuda")
    with torch.autocast("cuda", dtype=dtype, enabled=dtype != torch.float32):
        for name in ("softplus", "softmax", "log_softmax", "gelu", "relu", "sigmoid"):
            options = {"dim": 1} if "softmax" in name else {}
            manual = getattr(functional, name)(x.to(dtype), **options)
            expected = getattr(torch.nn.functional, name)(x.to(dtype), **options)
            assert manual.dtype == expected.dtype, name
        loss = functional.cross_entropy(functional.linear(x, x), t)
        assert loss.dtype == torch.nn.functional.cross_entropy(x @ x.T, t).dtype
