"""What a custom backward returned, where PyTorch refuses to take it.

The engine looks at the shapes of what a backward returns and raises where they are impossible: a
transposed weight gradient is never seen. Asked directly, the backward hands over what it has.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from compare.trial.case import Case
from compare.trial.given import Given, tensors_in
from compare.trial.key import Key, Kind
from compare.trial.randomness import undisturbed
from compare.trial.watch import Item, numbered, watch


def unreduced(
    case: Case, given: Given, cotangents: Sequence[Tensor], items: list[Item]
) -> list[Item]:
    """The items, with what the backward returned where PyTorch silently summed it up itself.

    A bias gradient that was not summed over the batch arrives summed all the same, and the formula
    is wrong nevertheless. One row that was kept as such is the sum already.
    """
    if case.by_layer or not items:
        return items
    returned = {item.key: item.tensor for item in gradients(case, given, cotangents)}

    def seen(item: Item) -> Item:
        mine = returned.get(item.key)
        if mine is None or item.tensor is None or mine.numel() <= item.tensor.numel():
            return item
        return replace(item, tensor=mine)

    return [seen(item) for item in items]


def gradients(case: Case, given: Given, cotangents: Sequence[Tensor]) -> list[Item]:
    """The items of ``watch``, past the engine; none unless the model is one custom Function."""
    model, loss = case.copies()
    inside = case.given(given)
    if loss is not None:
        return []
    try:
        with undisturbed(given.tensors), torch.enable_grad():
            given.random_state.restore()
            # Without hooks, and the leaves themselves: what the backward returns is told by them.
            items = watch(model, inside, None, None, by_layer=False).items
            given.random_state.restore()
            outputs = list(tensors_in(model(*inside.args, **inside.kwargs)))
            node: Any = outputs[0].grad_fn if len(outputs) == 1 else None
            if not isinstance(node, BackwardCFunction):
                return []
            returned = node.apply(*cotangents)
    except Exception:  # it raised by itself; there is nothing to see
        return []
    returned = returned if isinstance(returned, tuple) else (returned,)
    wanted = [g for g, needed in zip(returned, node.needs_input_grad, strict=False) if needed]
    edges = [edge for edge, _ in node.next_functions if edge is not None]
    if len(wanted) != len(edges) or any(not hasattr(edge, "variable") for edge in edges):
        return []
    named: dict[str, Tensor] = (
        dict(model.named_parameters()) if isinstance(model, nn.Module) else {}
    )
    leaves = [(Key(Kind.PARAMETER, name), name, p) for name, p in named.items()]
    leaves += [
        (Key(Kind.INPUT, place=i), numbered("input", i, inside.differentiated), x)
        for i, x in enumerate(inside.differentiated)
    ]
    for key, name, leaf in leaves:
        of_this = [g for g, e in zip(wanted, edges, strict=True) if e.variable is leaf]
        if of_this:
            items.append(Item(key, name, of_this[0]))
    return items
