import torch

from manual_backprop import Network


def test_gradients_show_name_shape_and_norm():
    network = Network((2, 3, 1), "identity", "squared-error")
    for parameter in network.weights + network.biases:
        parameter.fill_(1.0)
    network.forward(torch.zeros(4, 2))
    lines = repr(network.backward(torch.zeros(4, 1))).splitlines()
    assert lines[0].split() == ["shape", "norm"]
    assert [line.split()[0] for line in lines[1:]] == [
        *("δ²", "∂L/∂W²", "∂L/∂b²"),
        *("δ¹", "∂L/∂W¹", "∂L/∂b¹"),
    ]
    δ = network.backward(torch.zeros(4, 1)).deltas[0]
    assert lines[4].split("  ")[-2:] == ["(4, 3)", f"{δ.norm():.3g}"]
