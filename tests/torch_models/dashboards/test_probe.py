import pytest
import torch
from torch import nn

from torch_models.classifier import Classifier
from torch_models.dashboards import probe
from torch_models.names import LOSSES, NAMESPACES
from torch_models.networks.loss_function import loss_function
from torch_models.recipes import RECIPES


def batch(m=7):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(m, 784, dtype=torch.float64, generator=generator)
    return x, torch.arange(m) % 10


def classifier(backprop, loss="cross-entropy", activation="tanh"):
    return Classifier(backprop, "784-6-5-10", activation, loss).double()


@pytest.mark.parametrize("backprop", NAMESPACES)
@pytest.mark.parametrize("loss", LOSSES)
def test_against_autograd_of_the_biases(backprop, loss):
    """∂L/∂bˡ = Σₙ δˡₙ and ∂L/∂Wˡ = δˡᵀ aˡ⁻¹, the left sides by plain autograd."""
    model, (x, labels) = classifier(backprop, loss), batch()
    layers = probe.layers(model, x, labels)
    truth = classifier("autograd", loss).network
    truth.load_state_dict(model.network.state_dict())
    loss_function(loss)(truth(x), labels).backward()
    linears = [layer for layer in truth if isinstance(layer, nn.Linear)]
    inputs = [x, *(layer.activation for layer in layers)]
    assert len(layers) == len(linears) == 3
    for layer, linear, a in zip(layers, linears, inputs, strict=False):
        torch.testing.assert_close(layer.delta.sum(0), linear.bias.grad)
        torch.testing.assert_close(layer.delta.T @ a, linear.weight.grad)
        torch.testing.assert_close(layer.gradient, linear.weight.grad)
        assert torch.equal(layer.weight, linear.weight)
    torch.testing.assert_close(layers[-1].activation, truth(x))


@pytest.mark.parametrize("backprop", NAMESPACES)
def test_leaves_the_training_alone(backprop):
    model, (x, labels) = classifier(backprop), batch()
    state = torch.get_rng_state()
    grads = [torch.randn_like(p) for p in model.network.parameters()]
    torch.set_rng_state(state)
    for p, grad in zip(model.network.parameters(), grads, strict=True):
        p.grad = grad.clone()
    with torch.no_grad():
        probe.layers(model, x, labels)
    for p, grad in zip(model.network.parameters(), grads, strict=True):
        assert torch.equal(p.grad, grad)
        assert p.requires_grad
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("loss", LOSSES)
def test_probabilities(loss):
    model, (x, _) = classifier("manual", loss), batch()
    p = probe.probabilities(model, x)
    assert p.min() >= 0
    assert p.max() <= 1
    assert torch.equal(p.argmax(1), model.network(x).argmax(1))
    if loss in ("cross-entropy", "nll"):
        torch.testing.assert_close(p.sum(1), torch.ones(7, dtype=p.dtype))


def test_last_hidden():
    model, (x, labels) = classifier("autograd"), batch()
    hidden = probe.last_hidden(model, x)
    torch.testing.assert_close(hidden, probe.layers(model, x, labels)[1].activation)


@pytest.mark.parametrize("network", ["lenet", "resnet", "lstm", "vit"])
def test_of_any_network_against_plain_autograd(network):
    model = Classifier("autograd", network=network).double()
    state = {name: value.clone() for name, value in model.network.state_dict().items()}
    x = torch.rand(3, *RECIPES[network].sample, dtype=torch.float64)
    labels = torch.arange(3)
    layers = {layer.name: layer for layer in probe.layers(model, x, labels)}
    assert model.network.training
    assert all(torch.equal(state[name], w) for name, w in model.network.state_dict().items())
    for name, module in model.network.named_modules():
        matrices = [w for w in module.parameters(recurse=False) if w.dim() > 1]
        assert (name in layers) == bool(name and matrices)
    last = list(layers.values())[-1]
    model.network.eval()
    output = model.network(x)
    model.loss(output, labels).backward()
    torch.testing.assert_close(last.activation, output)
    torch.testing.assert_close(last.delta, (output.softmax(1) - torch.eye(10)[labels]) / 3)
    for name, layer in layers.items():
        gradients = [
            w.grad.flatten()
            for w in model.network.get_submodule(name).parameters(recurse=False)
            if w.dim() > 1
        ]
        torch.testing.assert_close(layer.gradient, torch.cat(gradients))
