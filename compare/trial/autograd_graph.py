"""The nodes of the graph that autograd recorded behind some outputs."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.autograd.function import BackwardCFunction


def nodes(outputs: Sequence[Tensor]) -> Iterator[Any]:
    """Of the graph behind them, from the outputs on, each once."""
    todo = [y.grad_fn for y in outputs if y.grad_fn is not None]
    seen = set(todo)
    while todo:
        node = todo.pop(0)
        yield node
        for edge, _ in node.next_functions:
            if edge is not None and edge not in seen:
                seen.add(edge)
                todo.append(edge)


def custom(outputs: Sequence[Tensor]) -> list[Any]:
    """Those whose backward is a Function's, from the outputs on."""
    return [node for node in nodes(outputs) if isinstance(node, BackwardCFunction)]
