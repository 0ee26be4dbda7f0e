"""What a custom backward returned, where PyTorch refuses to take it.

The engine looks at the shapes of what a backward returns and raises where they are impossible: a
transposed weight gradient is never seen. Asked directly, the backward hands over what it has.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

from compare.trial.autograd_graph import custom
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
    inside = case.given(given)
    leaves = [(name, x) for _, name, x in _leaves(model, inside) if x.requires_grad]
    found: list[tuple[Tensor, torch.Size]] = []
    try:
        with undisturbed(given.tensors), torch.enable_grad():
            given.random_state.restore()
            outputs = list(tensors_in(model(*inside.args, **inside.kwargs)))
            connected = [
                (y, c) for y, c in zip(outputs, cotangents, strict=True) if y.requires_grad
            ]
            for node in custom([y for y, _ in connected]):
                node.apply = partial(_noted, found, node, node.apply)
            of = [y for y, _ in connected], [x for _, x in leaves], [c for _, c in connected]
            torch.autograd.grad(*of, allow_unused=True)
    except Exception:  # what it raises has been told
        return []
    return [
        f"the {name} gradient is returned as {tuple(shape)}, and autograd sums it to "
        f"{tuple(leaf.shape)}: right, for "
        f"{(shape.numel() - leaf.numel()) * leaf.element_size():,} bytes more"
        for name, leaf in leaves
        for x, shape in found
        if x is leaf and shape.numel() > leaf.numel()
    ]


def _leaves(model: Any, inside: Given) -> list[tuple[Key, str, Tensor]]:
    """Parameters and differentiated inputs, each with its key and its name."""
    own = model.named_parameters() if isinstance(model, nn.Module) else ()
    inputs = inside.differentiated
    return [
        *((Key(Kind.PARAMETER, name), name, x) for name, x in own),
        *(
            (Key(Kind.INPUT, place=i), numbered("input", i, inputs), x)
            for i, x in enumerate(inputs)
        ),
    ]


def _noted(found: list[tuple[Tensor, torch.Size]], node: Any, backward: Any, *incoming: Any) -> Any:
    """What a backward returns, noted for each leaf before the engine makes it fit."""
    returned = backward(*incoming)
    for g, edge in _by_edge(node, returned):
        if isinstance(g, Tensor) and hasattr(edge, "variable"):
            found.append((edge.variable, g.shape))
    return returned


def _by_edge(node: Any, returned: Any) -> list[tuple[Any, Any]]:
    """The gradients that are wanted, each with the node that it goes to."""
    returned = returned if isinstance(returned, tuple) else (returned,)
    wanted = [g for g, needed in zip(returned, node.needs_input_grad, strict=False) if needed]
    edges = [edge for edge, _ in node.next_functions if edge is not None]
    return list(zip(wanted, edges, strict=True)) if len(wanted) == len(edges) else []


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
    wanted = _by_edge(node, returned)
    if any(not hasattr(edge, "variable") for _, edge in wanted):
        return []
    if not all(isinstance(g, Tensor | None) for g, _ in wanted):  # what PyTorch says of it must do
        return []
    for key, name, leaf in _leaves(model, inside):
        of_this = [g for g, edge in wanted if edge.variable is leaf]
        if of_this:
            items.append(Item(key, name, of_this[0]))
    return items
