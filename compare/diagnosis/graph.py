"""The graph that autograd differentiates the reference by, and its backward with one step changed.

A step is a node of the graph and one of its operands: it multiplies what comes in from above by the
derivative of the node by that operand. Steps are known by the order in which they come from the
outputs on, which is the same in all runs of one layer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from compare.trial.autograd_graph import nodes
from compare.trial.key import Key, Kind

#: From a node, what it was to hand on and what came in from above, to what it hands on instead, or
#: None where there is no such thing.
Change = Callable[["Graph", Any, Tensor, Tensor], Tensor | None]
_BINARY = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mm": "@", "Bmm": "@"}
MOVES = {  # what only moves numbers
    *("View", "UnsafeView", "Reshape", "T", "Transpose", "Permute", "Expand", "Unsqueeze"),
    *("Squeeze", "Clone", "Select", "Slice", "Split", "UnsafeSplit", "Unbind", "ToCopy", "Alias"),
    *("Stack", "Cat", "Repeat"),
}
#: Of a tensor: what it is from, and which of those.
Where = tuple[str, Any]
_INVERSES: dict[str, Callable[[Tensor], Tensor]] = {
    "Exp": torch.log,
    "Sigmoid": torch.logit,
    "Tanh": torch.atanh,
    "Sqrt": torch.square,
}
_DEPTH = 2  # of an expression that is shown


@dataclass(frozen=True)
class Graph:
    """What was computed in float64, before anything is asked of it."""

    outputs: Sequence[Tensor]
    leaves: Mapping[Key, Tensor]
    inputs: Sequence[Tensor]  # all that were given, differentiated or not
    arguments: Mapping[Any, Tensor] = field(default_factory=dict)  # of nodes with one, if known
    names: Mapping[Key, str] = field(default_factory=dict)  # of inputs that have one
    _texts: dict[tuple[Any, int], str] = field(default_factory=dict)
    _saved: dict[Any, dict[str, Tensor]] = field(default_factory=dict)

    @cached_property
    def nodes(self) -> list[Any]:
        """From the outputs on, without the leaves."""
        return [n for n in nodes(self.outputs) if not hasattr(n, "variable")]

    def steps(self) -> list[tuple[int, int]]:
        """All of them: a node's number and an operand's."""
        return [
            (i, j)
            for i, node in enumerate(self.nodes)
            for j, (edge, _) in enumerate(node.next_functions)
            if edge is not None
        ]

    def gradient(
        self,
        key: Key,
        incoming: Sequence[Tensor],
        steps: Sequence[tuple[int, int]] = (),
        change: Change | None = None,
    ) -> Tensor | None:
        """A leaf's gradient, with the change in these steps."""
        handles = []
        for i, j in steps:
            if i >= len(self.nodes):
                return None

            def hook(given: Sequence[Any], above: Sequence[Any], i: int = i, j: int = j) -> Any:
                if change is None or given[j] is None or above[0] is None:
                    return None
                made = change(self, self.nodes[i], given[j], above[0])
                if made is None:
                    return None
                return tuple(made if k == j else x for k, x in enumerate(given))

            handles.append(self.nodes[i].register_hook(hook))
        pairs = [(y, g) for y, g in zip(self.outputs, incoming, strict=True) if y.requires_grad]
        try:
            [found] = torch.autograd.grad(
                [y for y, _ in pairs],
                [self.leaves[key]],
                [g for _, g in pairs],
                retain_graph=True,
                allow_unused=True,
            )
        finally:
            for handle in handles:
                handle.remove()
        return found

    def saved(self, node: Any) -> dict[str, Tensor]:
        """The tensors that a node keeps for its backward, by PyTorch's names."""
        if node not in self._saved:
            names = [n for n in dir(node) if n.startswith("_saved_")]
            kept = {n.removeprefix("_saved_"): getattr(node, n, None) for n in names}
            self._saved[node] = {n: x for n, x in kept.items() if isinstance(x, Tensor)}
        return self._saved[node]

    @cached_property
    def tensors(self) -> dict[Where, tuple[str, Tensor]]:
        """Everything with a value that a backward can have at hand: a text for it, and it.

        By where it is from, which is the same in all runs: an input or parameter, or what a node
        keeps.
        """
        found: dict[Where, Tensor] = {("input", i): x for i, x in enumerate(self.inputs)}
        found |= {("parameter", k): x for k, x in self.leaves.items() if k.kind is Kind.PARAMETER}
        for i, node in enumerate(self.nodes):
            found |= {(name_of(node), (i, what)): x for what, x in self.saved(node).items()}
        floats = {at: x for at, x in found.items() if x.is_floating_point()}
        return {at: (self.text_of(x), x.detach()) for at, x in floats.items()}

    def tensor(self, where: Where) -> Tensor | None:
        """The one that is from there, if there is one."""
        return self.tensors[where][1] if where in self.tensors else None

    def argument(self, node: Any) -> Tensor | None:
        """What a function of one tensor was computed from, where that is known."""
        found, kept = self.arguments.get(node), self.saved(node)
        if found is None and name_of(node) in _INVERSES and "result" in kept:
            return _INVERSES[name_of(node)](kept["result"].detach())
        return kept.get("self") if found is None else found

    def kind(self, step: tuple[int, int]) -> tuple[Any, ...]:
        """The same for steps that compute the same of the same, as of one layer at all times."""
        i, j = step
        edges = [edge for edge, _ in self.nodes[i].next_functions]
        return name_of(self.nodes[i]), j, *(None if e is None else name_of(e) for e in edges)

    def text(self, node: Any, depth: int = _DEPTH) -> str:
        """The expression that a node computes, as far as a reader wants it."""
        if (node, depth) not in self._texts:
            self._texts[node, depth] = self._text(node, depth)
        return self._texts[node, depth]

    def _text(self, node: Any, depth: int) -> str:
        if node is None:
            return "…"
        if hasattr(node, "variable"):
            for key, leaf in self.leaves.items():
                if node.variable is leaf:
                    return self._name(key)
            return "…"
        name = name_of(node)
        below = [edge for edge, _ in node.next_functions]
        if name in MOVES:
            return self.text(next((b for b in below if b is not None), None), depth)
        if depth == 0:
            return "…"
        texts = [self._operand(node, j, depth) for j in range(len(below))]
        if name == "Addmm":
            return f"{texts[1]} @ {texts[2]} + {texts[0]}"
        if name in _BINARY and len(below) == 2:
            return f" {_BINARY[name]} ".join(_bracketed(t) for t in texts)
        shown = ", ".join(t for t in texts if t != "…") or "…"
        return f"{_spoken(name)}({shown})"

    def text_of(self, x: Tensor) -> str:
        """Of a tensor that was saved."""
        if x.grad_fn is not None:
            return self.text(x.grad_fn)
        for key, leaf in self.leaves.items():
            if leaf.data_ptr() == x.data_ptr() and leaf.shape == x.shape:
                return self._name(key)
        if any(given.data_ptr() == x.data_ptr() for given in self.inputs):
            return "the other input"
        return f"{float(x):.4g}" if x.dim() == 0 else "constant"

    def _name(self, key: Key) -> str:
        """As the report calls it."""
        if key in self.names:
            return self.names[key]
        if key.kind is Kind.PARAMETER:
            return key.name
        several = sum(k.kind is Kind.INPUT for k in self.leaves) > 1
        return f"input {key.place}" if several else "input"

    def _operand(self, node: Any, place: int, depth: int) -> str:
        edge, _ = node.next_functions[place]
        if edge is not None:
            return self.text(edge, depth - 1)
        other = self.saved(node).get({0: "self", 1: "other"}.get(place, ""))
        return "…" if other is None else self.text_of(other)


def name_of(node: Any) -> str:
    """``Mul`` of a ``MulBackward0``."""
    return node.name().rpartition("::")[2].partition("Backward")[0]


def _bracketed(text: str) -> str:
    return f"({text})" if any(f" {sign} " in text for sign in "+-*/@") else text


def _spoken(name: str) -> str:
    """``log_softmax`` of ``LogSoftmax``."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).strip("_")
