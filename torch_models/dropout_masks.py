"""The masks of dropout: each step has its own, which follow from the seed alone.

So they depend neither on the way of computing the gradient, nor on how far a training had come when
it was resumed, nor on what else draws random numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


def are_drawn_by(network: nn.Module) -> bool:
    """Whether it has any dropout."""
    return any(isinstance(m, nn.Dropout) and m.p > 0 for m in network.modules())


@contextmanager
def of_step(device: torch.device, *seed: int) -> Iterator[None]:
    """Within it masks are those of this seed; outside no random number is used up."""
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(state[0]))
        yield
