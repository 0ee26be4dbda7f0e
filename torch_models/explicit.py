"""The explicit way behind an ``nn.Sequential``: ``Network`` computes the gradients of its weights.

The Sequential keeps what belongs to PyTorch: checkpoints, devices, the optimiser's state,
evaluation. The Network sees the same weights, in the same memory. It trains them by fused steps, or
fills their ``.grad``, without any autograd.
"""

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from manual_backprop import Network
from manual_backprop.network.captured import Step, captured
from manual_backprop.network.fused_step import FusedStep
from manual_backprop.network.losses import LOSSES
from manual_backprop.optim import Momentum
from torch_models import names
from torch_models.names import Reads


class Explicit:
    """Forward and backward of an ``mlp(…)`` by the notes' recursion.

    Args:
        network: an ``mlp(…)`` of float32 or float64, already on the device where it will stay.
        activation: the one that it was built with.
        loss: likewise.
    """

    def __init__(self, network: nn.Module, activation: str, loss: str) -> None:
        self.linears = [layer for layer in network.children() if isinstance(layer, nn.Linear)]
        weights = [layer.weight.detach() for layer in self.linears]
        sizes = [weights[0].shape[1], *(W.shape[0] for W in weights)]
        # The initial weights that it draws are replaced at once: it must not draw from the global
        # random state, nor matter in which order the ways are built.
        self.network = Network(
            sizes, activation, loss, dtype=weights[0].dtype, generator=Generator()
        ).to(weights[0].device)
        self.network.weights[:] = weights
        self.network.biases[:] = [layer.bias.detach() for layer in self.linears]
        self.one_hot = torch.eye(sizes[-1]).to(weights[0])
        # By the number of samples: an epoch's last batch may be smaller.
        self.fused: dict[int, FusedStep] = {}
        self.steps: dict[int, Step] = {}
        self.settings: tuple[float, float] | None = None

    def take(self, descent: Optimizer) -> None:
        """Have the steps of this descent: its settings, and its velocities, which stay its own.

        Args:
            descent: ``torch.optim.SGD`` or ``manual_backprop.optim.Momentum`` of the network's
                parameters. A checkpoint of it is a checkpoint of these steps.

        Raises:
            ValueError: for another optimiser, or settings that a fused step does not have.
        """
        if not isinstance(descent, torch.optim.SGD | Momentum) or len(descent.param_groups) != 1:
            raise ValueError(f"expected SGD or Momentum with one group, got {descent}")
        for name in ("weight_decay", "dampening", "nesterov", "maximize"):
            if descent.param_groups[0].get(name):
                raise ValueError(f"a fused step has no {name}: expected an optimiser without")
        self.descent = descent
        self.settings = None  # the steps there are have the velocities of the descent before
        name = "velocity" if isinstance(descent, Momentum) else "momentum_buffer"
        parameters = [layer.weight for layer in self.linears]
        parameters += [layer.bias for layer in self.linears]
        for w in parameters:
            descent.state[w].setdefault(name, torch.zeros_like(w))  # v₀ = 0
        self.network.velocities[:] = [descent.state[w][name] for w in parameters]

    def step(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """w ← w − ηv; the mean loss before it, (), and the predictions ŷ, (N, classes)."""
        group, m = self.descent.param_groups[0], len(x)
        settings = group["lr"], group["momentum"]
        if settings != self.settings:  # a recorded step has them as constants
            self.steps.clear()
            self.settings = settings
        if m not in self.steps:
            self.steps[m] = captured(self._step(m, *settings), x.device)
        loss, ŷ = self.steps[m](x, labels)
        return loss, ŷ

    def _step(self, m: int, lr: float, β: float) -> Step:
        """The step on m samples, which looks at no value, so that it can be recorded."""
        fused = self.fused[m] = FusedStep(self.network, m)
        loss = LOSSES[self.network.loss]
        share = 1 - β if isinstance(self.descent, Momentum) else 1.0

        def step(x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
            y = self.one_hot.index_select(0, labels)
            z, ŷ = fused(x, y, lr, β, share)
            return loss.value(z, ŷ, y).mean(), ŷ

        return step

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
        reads = names.LOSSES[self.network.loss]
        if reads is Reads.LOGITS:
            return self.network.z[-1]
        if reads is Reads.LOG_PROBABILITIES:
            return self.network.z[-1].log_softmax(1)
        return self.network.a[-1]
