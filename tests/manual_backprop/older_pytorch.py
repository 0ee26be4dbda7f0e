"""What older releases of PyTorch compute otherwise than the newest, which ours follow."""

from typing import Any

import torch
from torch.nn import functional as F

#: Losses that are flat on one side of their margin.
MARGINS = {
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "cosine_embedding_loss",
    "triplet_margin_loss",
}


def _at_the_margin() -> float:
    """0 from where it is a subgradient like any other; 2.11 gives the one of the slope."""
    x = torch.ones(1, requires_grad=True)
    F.hinge_embedding_loss(x, -torch.ones(1)).backward()
    return x.grad.item()


def _of_a_word_that_is_there_once() -> float:
    """1; 2.11 divides it by how often another word is there."""
    W = torch.ones(3, 1, requires_grad=True)
    words = torch.tensor([[0, 1], [1, 2]])
    F.embedding_bag(words, W, mode="sum", scale_grad_by_freq=True).sum().backward()
    return W.grad[2].item()


MARGINS_DIFFER = _at_the_margin() != 0
FREQUENCIES_DIFFER = _of_a_word_that_is_there_once() != 1


def differs(name: str, arguments: Any, options: Any, special: bool) -> bool:
    """Whether the PyTorch that is installed computes this call otherwise."""
    by_frequency = arguments[5] if len(arguments) > 5 else options.get("scale_grad_by_freq")
    if name == "embedding_bag" and by_frequency is True:
        return FREQUENCIES_DIFFER
    return special and name in MARGINS and MARGINS_DIFFER
