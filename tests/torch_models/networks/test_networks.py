"""Both namespaces give one network: the same weights, and the same descent."""

import pytest
import torch
from torch import nn

from tests.torch_models.short_trainings import outcome
from torch_models.networks.build import BUILDERS, build
from torch_models.networks.gpt import CONTEXT, continued
from torch_models.networks.transformer import Attention
from torch_models.networks.vit import in_patches
from torch_models.recipes import RECIPES

#: Not ours, and nothing to differentiate by hand.
CONTAINERS = (nn.Sequential,)


def batch(network, n=3):
    recipe, generator = RECIPES[network], torch.Generator().manual_seed(1)
    if "text" in recipe.epochs:
        x, y = (torch.randint(256, (n, *recipe.sample), generator=generator) for _ in "xy")
        return x, y
    return torch.rand(n, *recipe.sample, dtype=torch.float64, generator=generator), torch.arange(n)


def test_every_network_has_a_recipe():
    assert {"mlp", *BUILDERS} == set(RECIPES)


@pytest.mark.parametrize("name", BUILDERS)
def test_both_namespaces_give_one_network(name):
    """Weights, losses and gradients; in training mode, dropout included."""
    found = []
    for way in ("manual", "autograd"):
        network, loss = build(name, way, seed=3)
        x, y = batch(name)
        torch.manual_seed(4)
        value = loss(network.double()(x), y)
        parameters = list(network.parameters())
        found.append(
            (
                str(network).replace("Manual", ""),
                network.state_dict(),
                [value, *torch.autograd.grad(value, parameters)],
            )
        )
        if way == "manual":
            leaves = [m for m in network.modules() if not any(m.children())]
            assert all(type(m).__module__.startswith("manual_backprop") for m in leaves)
    (ours, our_state, our_values), (theirs, their_state, their_values) = found
    assert ours == theirs
    assert our_state.keys() == their_state.keys()
    torch.testing.assert_close(our_values, their_values, rtol=1e-9, atol=1e-12)


def test_attention_in_blocks_is_attention():
    found, (x, y) = [], batch("gpt")
    for way in ("manual", "autograd"):
        network, loss = build("gpt", way, attention="blocks")
        value = loss(network.double()(x), y)
        found.append([value, *torch.autograd.grad(value, list(network.parameters()))])
        names = {m.attend.__name__ for m in network.modules() if isinstance(m, Attention)}
        expected = "attention_in_blocks" if way == "manual" else "scaled_dot_product_attention"
        assert names == {expected}
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", BUILDERS)
def test_output_has_the_classes_second(name):
    network, loss = build(name, "autograd")
    x, y = batch(name)
    output = network(x.float() if x.is_floating_point() else x)
    assert output.shape == (len(x), RECIPES[name].classes, *y.shape[1:])
    assert loss(output, y).isfinite()


@pytest.mark.parametrize("name", ["lenet", "resnet", "lstm", "vit"])
def test_trainings_by_hand_and_by_autograd_end_at_the_same_weights(few_samples, name, tmp_path):
    """The same batches, the same masks of dropout; in float64 nobody sees the rounding."""
    options = ["--network", name, "--precision", "64-true", "--epochs", "2"]
    few = ["--train-size", "48", "--val-size", "16", "--batch-size", "16"]
    ends = [
        outcome(tmp_path / way, "--backprop", way, *options, *few, own=name)[0]
        for way in ("manual", "autograd")
    ]
    start = build(name, "autograd").network.state_dict()
    for key, weight in ends[1]["state_dict"].items():
        torch.testing.assert_close(ends[0]["state_dict"][key], weight, rtol=1e-9, atol=1e-11)
        assert not torch.equal(weight.double(), start[key.removeprefix("network.")].double()), key


def test_gpt_sees_no_byte_before_its_turn():
    network, _ = build("gpt", "autograd")
    x, _ = batch("gpt", 1)
    changed = x.clone()
    changed[0, 50] = (x[0, 50] + 1) % 256
    before, after = network(x)[0], network(changed)[0]
    assert torch.equal(before[:, :50], after[:, :50])
    assert not torch.equal(before[:, 50:], after[:, 50:])


def test_gpt_reads_with_the_weights_that_it_writes_with():
    network, _ = build("gpt", "manual")
    assert network.output.weight is network.tokens.weight
    assert network.double().output.weight is network.tokens.weight


def test_text_goes_on():
    network, _ = build("gpt", "autograd")
    text = b"import " * 20
    long = continued(network, text, CONTEXT // 8)
    assert long.startswith(text)
    assert len(long) == len(text) + CONTEXT // 8
    assert long == continued(network, text, CONTEXT // 8)
    assert long != continued(network, text, CONTEXT // 8, seed=1)


def test_patches_by_hand():
    image = torch.arange(28 * 28.0).view(1, 1, 28, 28)
    patches = in_patches(image)
    assert patches.shape == (1, 16, 49)
    assert torch.equal(patches[0, 6].view(7, 7), image[0, 0, 7:14, 14:21])


def test_attention_by_hand():
    """Equal scores: each gets the mean of the values, the first of causal ones its own."""
    for causal in (False, True):
        attention = Attention(4, 2, causal, nn)
        with torch.no_grad():
            attention.qkv.weight.zero_()[8:].copy_(torch.eye(4))  # the values are the tokens
            attention.qkv.bias.zero_()
            attention.output.weight.copy_(torch.eye(4))
            attention.output.bias.zero_()
        x = torch.rand(1, 3, 4)
        answers = attention(x)
        torch.testing.assert_close(answers[0, 2], x[0].mean(0))
        torch.testing.assert_close(answers[0, 0], x[0, 0] if causal else x[0].mean(0))
