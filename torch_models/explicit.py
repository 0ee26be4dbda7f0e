"""The explicit way behind an ``nn.Sequential``: ``Network`` computes the gradients of its weights.

The Sequential keeps what belongs to PyTorch: checkpoints, devices, the optimiser, evaluation. The
Network sees the same weights, in the same memory, and fills their ``.grad`` without any autograd.
"""

from torch import Generator, Tensor, nn

from manual_backprop import Network
from torch_models.names import LOSSES


class Explicit:
    """Forward and backward of an ``mlp(…)`` by the notes' recursion.

    Args:
        network: an ``mlp(…)`` of float32 or float64, already on the device where it will stay.
        activation: the one that it was built with.
        loss: likewise.
    """

    def __init__(self, network: nn.Sequential, activation: str, loss: str) -> None:
        self.linears = [layer for layer in network if isinstance(layer, nn.Linear)]
        weights = [layer.weight.detach() for layer in self.linears]
        sizes = [weights[0].shape[1], *(W.shape[0] for W in weights)]
        # The initial weights that it draws are replaced at once: it must not draw from the global
        # random state, nor matter in which order the ways are built.
        self.network = Network(
            sizes, activation, loss, dtype=weights[0].dtype, generator=Generator()
        ).to(weights[0].device)
        self.network.weights[:] = weights
        self.network.biases[:] = [layer.bias.detach() for layer in self.linears]

    def forward(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The mean loss, (), and the predictions ŷ, (N, classes); keeps what backward needs."""
        predictions = self.network.forward(x)
        return self.network.loss_of(labels), predictions

    def backward(self, labels: Tensor) -> None:
        """Put the gradients for the samples of the last forward pass into ``.grad``."""
        gradients = self.network.backward(labels)
        for layer, W, b in zip(self.linears, gradients.weights, gradients.biases, strict=True):
            layer.weight.grad, layer.bias.grad = W, b

    def output(self) -> Tensor:
        """What the Sequential itself would have returned: logits, log-probabilities or ŷ."""
        reads = LOSSES[self.network.loss]
        if reads == "logits":
            return self.network.z[-1]
        return self.network.z[-1].log_softmax(1) if "LogSoftmax" in reads else self.network.a[-1]
