"""What a forward pass keeps for the backward, by layer."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

Bytes = dict[str, int]


def saved_by_layer(
    network: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor
) -> Bytes:
    """Bytes by "name class", in the order of the modules, and by "loss".

    What a module keeps beside the modules inside it is its own. Parameters do not count, and memory
    that several layers keep counts where it was kept first.
    """
    modules = dict(network.named_modules())
    kept: Bytes = {f"{name} {type(module).__name__}".strip(): 0 for name, module in modules.items()}
    labels = dict(zip(modules, kept, strict=True))
    kept["loss"] = 0
    seen = {p.untyped_storage().data_ptr() for p in network.parameters()}
    inside = ["loss"]

    def enter(label: str, *_: Any) -> None:
        inside.append(label)

    def leave(*_: Any) -> None:
        inside.pop()

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            kept[inside[-1]] += storage.nbytes()
        return tensor

    with ExitStack() as stack:
        for name, module in modules.items():
            before = module.register_forward_pre_hook(partial(enter, labels[name]))
            after = module.register_forward_hook(leave)
            stack.callback(before.remove)
            stack.callback(after.remove)
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t))
        loss(network(x), y)
    # Of those that hold others only who keeps something by itself.
    holders = {labels[name] for name, module in modules.items() if any(module.children())}
    return {label: kept[label] for label in kept if kept[label] or label not in holders}
