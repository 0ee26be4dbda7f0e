"""What tames a descent: a learning rate that grows at first, and gradients of limited length."""

from typing import Any

import torch


def prepare(groups: list[dict[str, Any]], step: int, lr: float, warmup: int, clip: float) -> None:
    """Make an optimiser ready for its update, now that the gradients are there.

    Args:
        groups: its ``param_groups``.
        step: from 0.
        lr: η after the warm-up.
        warmup: steps in which it grows to that, in equal parts; 0 for none.
        clip: the longest that all gradients together may be, as one vector; 0 for any length.
    """
    if warmup:
        for group in groups:
            group["lr"] = lr * min(1.0, (step + 1) / warmup)  # ηₜ = η·min(1, (t + 1)/warmup)
    if clip:
        # g ← g·min(1, clip/‖g‖)
        parameters = [w for group in groups for w in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, clip)
