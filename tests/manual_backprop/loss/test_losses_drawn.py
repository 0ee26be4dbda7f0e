"""Every loss on drawn shapes, broadcasts and weights: PyTorch's value and gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from manual_backprop import functional

drawn = settings(derandomize=True, database=None, deadline=None, max_examples=30)
shapes = st.lists(st.integers(1, 4), max_size=3).map(tuple)
every_reduction = pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
with_weights = pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])


def narrower(draw, shape):
    """A shape that broadcasts to this one: some sizes 1, some leading ones left out."""
    kept = shape[draw(st.integers(0, len(shape))) :]
    return tuple(draw(st.sampled_from([1, n])) for n in kept)


def numbers(draw, shape, positive=False):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 9)))
    drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
    return (drawn.sigmoid() if positive else drawn).requires_grad_()


def agree(ours, theirs, *leaves):
    """Value, and gradients for all leaves, from a random incoming gradient."""
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-13)
    g = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(7), dtype=theirs.dtype)
    grads = [torch.autograd.grad(L, leaves, g) for L in (ours, theirs)]
    for mine, expected in zip(*grads, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*broadcasting:UserWarning")
@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")
@every_reduction
@with_weights
@given(st.data())
@drawn
def test_mse(reduction, weighted, data):
    draw, shape = data.draw, data.draw(shapes)
    of_both = [shape, narrower(draw, shape)]
    of_input, of_target = draw(st.permutations(of_both))
    a, y = numbers(draw, of_input), numbers(draw, of_target)
    w = [numbers(draw, of_input, positive=True)] if weighted else []
    options = {"reduction": reduction, "weight": w[0] if w else None}
    agree(functional.mse_loss(a, y, **options), F.mse_loss(a, y, **options), a, y, *w)


@every_reduction
@given(st.data())
@drawn
def test_squared_error(reduction, data):
    draw, shape = data.draw, data.draw(shapes)
    a, y = numbers(draw, shape), numbers(draw, shape)
    theirs = F.mse_loss(a, y, reduction="none" if reduction == "none" else "sum") / 2
    m = shape[0] if reduction == "mean" and shape else 1
    agree(functional.squared_error_loss(a, y, reduction), theirs / m, a, y)


@every_reduction
@with_weights
@given(st.data())
@drawn
def test_binary_cross_entropy(reduction, weighted, data):
    draw, shape = data.draw, data.draw(shapes)

    def constant():
        return numbers(draw, narrower(draw, shape), positive=True).detach() if weighted else None

    a, y = numbers(draw, shape, positive=True), numbers(draw, shape, positive=True)
    options = {"reduction": reduction, "weight": constant()}
    agree(*(f.binary_cross_entropy(a, y, **options) for f in (functional, F)), a, y)
    z, options["pos_weight"] = numbers(draw, shape), constant()
    agree(*(f.binary_cross_entropy_with_logits(z, y, **options) for f in (functional, F)), z, y)


@every_reduction
@with_weights
@given(st.data())
@drawn
def test_class_indices(reduction, weighted, data):
    draw = data.draw
    shape, C = draw(shapes), draw(st.integers(1, 5))
    z = numbers(draw, (*shape[:1], C, *shape[1:]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 9)))
    t = torch.randint(C, shape, generator=generator)
    ignored = draw(st.sampled_from([-100, 0, C + 2]))
    if ignored != 0:
        t = torch.where(torch.rand(shape, generator=generator) < 0.3, ignored, t)
    if (t == ignored).all():  # a mean over nothing is 0/0
        reduction = "sum"
    w = numbers(draw, (C,), positive=True).detach() if weighted else None
    options = {"weight": w, "ignore_index": ignored, "reduction": reduction}
    agree(*(f.nll_loss(z, t, **options) for f in (functional, F)), z)
    options["label_smoothing"] = draw(st.sampled_from([0.0, 0.3, 1.0]))
    agree(*(f.cross_entropy(z, t, **options) for f in (functional, F)), z)


@every_reduction
@with_weights
@given(st.data())
@drawn
def test_class_probabilities(reduction, weighted, data):
    draw = data.draw
    shape, C = draw(shapes), draw(st.integers(1, 5))
    z, y = (numbers(draw, (*shape[:1], C, *shape[1:])) for _ in range(2))
    w = [numbers(draw, (C,), positive=True)] if weighted else []
    options = {
        "weight": w[0] if w else None,
        "reduction": reduction,
        "label_smoothing": draw(st.sampled_from([0.0, 0.3, 1.0])),
    }
    agree(*(f.cross_entropy(z, y, **options) for f in (functional, F)), z, y, *w)
