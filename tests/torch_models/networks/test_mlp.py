import pytest
import torch

import manual_backprop
from torch_models.names import ACTIVATIONS, LOSSES
from torch_models.networks.loss_function import SquaredErrorLoss, loss_function
from torch_models.networks.mlp import mlp


def test_the_notes_network_is_the_default():
    assert repr(mlp()) == repr(
        torch.nn.Sequential(torch.nn.Linear(784, 160), torch.nn.ReLU(), torch.nn.Linear(160, 10))
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_both_namespaces_give_one_network(activation, loss):
    manual, reference = (
        mlp((6, 5, 4, 3), activation, loss, layers) for layers in (manual_backprop, torch.nn)
    )
    assert repr(manual) == repr(reference)
    manual.load_state_dict(reference.state_dict())
    x, labels = torch.rand(7, 6), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    gradients = []
    for network, layers in ((manual, manual_backprop), (reference, torch.nn)):
        value = loss_function(loss, layers, classes=3)(network(x), labels)
        gradients.append([value, *torch.autograd.grad(value, list(network.parameters()))])
    torch.testing.assert_close(*gradients)
    assert all(type(m).__module__.startswith("manual_backprop") for m in manual)


def test_squared_error_by_hand():
    a, y = torch.tensor([[1.0, 4], [0, 2]]), torch.tensor([[3.0, 4], [1, 0]])
    assert SquaredErrorLoss("sum")(a, y) == 4.5
    assert SquaredErrorLoss("mean")(a, y) == 2.25
    assert SquaredErrorLoss("none")(a, y).tolist() == [[2, 0], [0.5, 2]]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("layers", [torch.nn, manual_backprop], ids=["autograd", "manual"])
def test_the_loss_of_nan_is_nan(loss, layers):
    """PyTorch's bce itself raises for it; on a GPU that cannot be mended."""
    output = torch.tensor([[torch.nan, 0.25], [0.5, 0.75]], requires_grad=True)
    value = loss_function(loss, layers, classes=2)(output, torch.tensor([0, 1]))
    assert value.isnan()
    value.backward()


@pytest.mark.parametrize("layers", [torch.nn, manual_backprop], ids=["autograd", "manual"])
def test_bce_is_that_of_its_namespace_to_the_bit(layers):
    """And no probability outside [0, 1] is let through."""
    output, labels = torch.rand(5, 3, requires_grad=True), torch.tensor([0, 1, 2, 0, 1])
    ours = loss_function("bce", layers, classes=3)(output, labels)
    plain = layers.BCELoss()(output, torch.nn.functional.one_hot(labels, 3).float())
    assert torch.equal(ours, plain)
    assert torch.equal(*(torch.autograd.grad(value, output)[0] for value in (ours, plain)))
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        loss_function("bce", layers, classes=3)(output + 1, labels)


@pytest.mark.parametrize(
    ("sizes", "activation", "loss"),
    [
        ((784,), "relu", "mse"),
        ((3, 0, 2), "relu", "mse"),
        ((3, 2), "step", "mse"),
        ((3, 2), "relu", "l1"),
    ],
)
def test_bad_arguments(sizes, activation, loss):
    with pytest.raises(ValueError, match=r"sizes|choose from"):
        mlp(sizes, activation, loss)
