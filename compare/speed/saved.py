"""What a forward pass keeps for the backward, by layer."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

Bytes = dict[str, int]


def saved_by_layer(
    network: nn.Sequential, loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor
) -> Bytes:
    """Bytes by "index class", in forward order, and by "loss".

    Parameters do not count, and memory that several layers keep counts where it was kept first.
    """
    kept: Bytes = {f"{name} {type(layer).__name__}": 0 for name, layer in network.named_children()}
    kept["loss"] = 0
    seen = {p.untyped_storage().data_ptr() for p in network.parameters()}
    now = "loss"

    def enter(label: str, *_: Any) -> None:
        nonlocal now
        now = label

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            kept[now] += storage.nbytes()
        return tensor

    with ExitStack() as stack:
        for label, layer in zip(kept, network, strict=False):
            hook = layer.register_forward_pre_hook(partial(enter, label))
            stack.callback(hook.remove)
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t))
        output = network(x)
        enter("loss")
        loss(output, y)
    return kept
