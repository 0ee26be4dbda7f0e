"""in_blocks: the same as at once, and at once where somebody looks on."""

import pytest
import torch

import manual_backprop
from manual_backprop.kit import blocks
from manual_backprop.kit.blocks import in_blocks


@pytest.fixture
def calls(monkeypatch):
    """A formula of rows that writes down how many it was given."""
    monkeypatch.setattr(blocks, "BLOCK", 12)
    found = []

    def formula(x, y):
        found.append(len(x))
        return x * y, x.sum(0, keepdim=True), None

    return formula, found


def test_it_puts_the_rows_together_and_leaves_one_sum_for_each_block(calls):
    formula, found = calls
    x, y = torch.arange(20.0).reshape(5, 4), torch.full((5, 4), 2.0)
    products, sums, nothing = in_blocks(formula, x, y)
    assert found == [3, 2]
    assert products.equal(x * y)
    assert sums.shape == (2, 4)
    assert sums.sum(0).equal(x.sum(0))
    assert nothing is None


def test_a_wide_temporary_makes_the_blocks_short(calls):
    formula, found = calls
    in_blocks(formula, torch.ones(3, 4), torch.ones(3, 4), width=12)
    assert found == [1, 1, 1]


@pytest.mark.parametrize("shape", [(), (0, 4), (3, 4)])
def test_what_is_small_is_done_at_once(shape):
    x = torch.ones(shape)
    assert in_blocks(lambda y: [y], x)[0] is x


def test_what_is_differentiated_is_done_at_once(calls):
    formula, found = calls
    in_blocks(formula, torch.ones(5, 4, requires_grad=True), torch.ones(5, 4))
    assert found == [5]


def of(layer, x, g):
    """The output and all gradients."""
    leaves = [x.clone().requires_grad_(), *layer.parameters()]
    y = layer(leaves[0])
    return [y, *torch.autograd.grad(y, leaves, g)]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("GELU", (5, 4)),
        ("SiLU", (5, 4)),
        ("LayerNorm", (5, 2, 4)),
        ("GroupNorm", (5, 4, 3)),
        ("MultiheadAttention", (5, 4, 4)),
    ],
)
def test_layers_find_the_same_in_blocks(monkeypatch, name, shape):
    torch.manual_seed(0)
    arguments = {
        "LayerNorm": [4],
        "RMSNorm": [4],
        "GroupNorm": [2, 4],
        "MultiheadAttention": [4, 2],
    }
    layer = getattr(manual_backprop, name)(*arguments.get(name, [])).double()
    function = layer
    if name == "MultiheadAttention":

        def function(x):
            return layer(x, x, x, need_weights=False)[0]

        function.parameters = layer.parameters
    x, g = torch.randn(shape, dtype=torch.float64), torch.randn(shape, dtype=torch.float64)
    at_once = of(function, x, g)
    monkeypatch.setattr(blocks, "BLOCK", 9)
    for whole, in_parts in zip(at_once, of(function, x, g), strict=True):
        torch.testing.assert_close(in_parts, whole, rtol=1e-13, atol=1e-14)
