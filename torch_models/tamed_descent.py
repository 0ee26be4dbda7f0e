"""What tames a descent: a learning rate that grows at first and then falls, and short gradients."""

from typing import Any

import torch


def prepare(
    groups: list[dict[str, Any]], step: int, lr: float, warmup: int, half_life: int, clip: float
) -> None:
    """Make an optimiser ready for its update, now that the gradients are there.

    Args:
        groups: its ``param_groups``.
        step: t, from 0.
        lr: η, after the warm-up and before it falls.
        warmup: steps in which it grows to that, in equal parts; 0 for none.
        half_life: steps in which it halves, again and again; 0 for never. It depends on no step to
            come, so that a training can always be prolonged.
        clip: the longest that all gradients together may be, as one vector; 0 for any length.
    """
    if warmup or half_life:
        # ηₜ = η · min(1, (t + 1)/warmup) · ½^(t/half_life)
        grown = min(1.0, (step + 1) / warmup) if warmup else 1.0
        fallen = 0.5 ** (step / half_life) if half_life else 1.0
        for group in groups:
            group["lr"] = lr * grown * fallen
    if clip:
        # g ← g·min(1, clip/‖g‖)
        parameters = [w for group in groups for w in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, clip)
