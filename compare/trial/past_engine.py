"""What a custom backward returned, where PyTorch refuses to take it.

The engine looks at the shapes of what a backward returns and raises where they are impossible: a
transposed weight gradient is never seen. Asked directly, the backward hands over what it has.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from compare.trial.case import Case
from compare.trial.given import Given, tensors_in
from compare.trial.key import Key, Kind
from compare.trial.randomness import undisturbed
from compare.trial.watch import Item, numbered, watch


def summed_up(case: Case, given: Given, cotangents: Sequence[Tensor]) -> list[str]:
    """A remark for each gradient that PyTorch summed to its tensor's shape by itself.

    A bias gradient that was not summed over the batch arrives summed all the same: what a user gets
    is right, at the cost of a tensor that nobody needs.
    """
    model, _ = case.copies()
    parameters = dict(model.named_parameters()) if isinstance(model, nn.Module) else {}
    remarks = []
    for item in gradients(case, given, cotangents):
        inputs = given.differentiated
        leaf = inputs[item.key.place] if item.kind is Kind.INPUT else parameters.get(item.key.name)
        if item.tensor is None or leaf is None or item.tensor.numel() <= leaf.numel():
            continue
        more = (item.tensor.numel() - leaf.numel()) * leaf.element_size()
        remarks.append(
            f"the {item.name} gradient is returned as {tuple(item.tensor.shape)}, and autograd "
            f"sums it to {tuple(leaf.shape)}: right, for {more:,} bytes more"
        )
    return remarks


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
    if not all(isinstance(g, Tensor | None) for g in wanted):  # what PyTorch says of it must do
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
