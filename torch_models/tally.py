"""What an epoch adds up to."""

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy


class Tally(torch.nn.Module):
    """Mean loss and accuracy over the labels of one epoch, kept on the device."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.losses: list[Tensor] = []
        self.sizes: list[int] = []
        # Each process counts for itself, so that one of them alone can show its figures; logging
        # takes their mean.
        self.accuracy = MulticlassAccuracy(
            classes, average="micro", validate_args=False, sync_on_compute=False
        )

    def update(self, losses: Tensor, sizes: list[int], output: Tensor, labels: Tensor) -> None:
        """Count batches: the mean loss and the labels of each, and all outputs or classes said."""
        self.losses.append(losses)
        self.sizes += sizes
        self.accuracy.update(output, labels)

    def compute(self) -> tuple[float, float]:
        """Loss and accuracy so far."""
        losses = torch.cat(self.losses).cpu().double()
        samples = torch.tensor(self.sizes, dtype=losses.dtype)
        # All at once, so that it does not depend on how many batches were counted at a time.
        mean = (losses * samples).sum() / samples.sum()
        return float(mean), float(self.accuracy.compute())

    def reset(self) -> None:
        """Start an epoch."""
        self.losses.clear()
        self.sizes.clear()
        self.accuracy.reset()
