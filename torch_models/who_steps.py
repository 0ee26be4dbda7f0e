"""Who takes the optimiser steps: the module, or Lightning where its Trainer changes gradients."""

from typing import Any

import lightning as L
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.optim import Optimizer


class TakesSteps(L.LightningModule):
    """A module that takes its own steps, several for each batch that Lightning knows of.

    Lightning clips and accumulates gradients only in steps that it takes itself: a Trainer with
    ``gradient_clip_val`` or ``accumulate_grad_batches`` takes them all, one batch at a time.
    """

    @property  # type: ignore[misc]
    def automatic_optimization(self) -> bool:
        """Whether Lightning takes the steps."""
        trainer = self._trainer
        if trainer is None:
            return False
        return bool(trainer.gradient_clip_val) or trainer.accumulate_grad_batches != 1

    @property
    def forward_passes(self) -> int:
        """How many there were in training: more than steps where gradients are accumulated."""
        if self.automatic_optimization:
            return self.trainer.fit_loop.total_batch_idx
        return self.global_step

    def refuse_lightnings_steps(self, why: str) -> None:
        """Raise MisconfigurationException where Lightning takes the steps."""
        if self.automatic_optimization:
            raise MisconfigurationException(
                f"gradient_clip_val and accumulate_grad_batches of the Trainer: {why}"
            )

    def prepare(self, descent: Any, step: int) -> None:
        """Make the descent ready for the update of this step, counted from 0."""
        raise NotImplementedError

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Prepare a step of Lightning's; one of the module's own is prepared where it is taken."""
        if self.automatic_optimization:
            self.prepare(optimizer, self.global_step)
