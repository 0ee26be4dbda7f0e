"""float32 without Lightning's hooks around each backward and each update.

Lightning calls every callback before and after each backward and before each update. The callbacks
of ``train`` have none of these hooks, and with a small network the calls take a tenth of a step.
"""

from typing import Any

import lightning as L
from lightning.pytorch.plugins import Precision
from torch import Tensor
from torch.optim import Optimizer


class Unhooked(Precision):
    """``32-true`` for a Trainer none of whose callbacks has a hook on a backward or an update."""

    def pre_backward(self, tensor: Tensor, module: L.LightningModule) -> Tensor:  # type: ignore[override]
        """Call nobody."""
        return tensor

    def post_backward(self, tensor: Tensor, module: L.LightningModule) -> Tensor:  # type: ignore[override]
        """Call nobody."""
        return tensor

    def optimizer_step(  # type: ignore[override]
        self, optimizer: Optimizer, model: Any, closure: Any, **kwargs: Any
    ) -> Any:
        """The step alone."""
        return optimizer.step(closure, **kwargs)


def unhook(trainer: L.Trainer) -> None:
    """Take Lightning's hooks away from its steps, where the precision is plain float32."""
    if type(trainer.strategy.precision_plugin) is Precision:
        trainer.strategy.precision_plugin = Unhooked()
