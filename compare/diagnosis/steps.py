"""The ways in which one step of a backward is got wrong, each with the sentence that says so."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from compare.diagnosis.clues import Clue
from compare.diagnosis.derivatives import OF_ARGUMENT, OF_VALUE
from compare.diagnosis.graph import MOVES, Change, Graph, Where, name_of
from compare.diagnosis.mistake import Mistake

_OPERANDS = {  # of a product: at each place what the other factor is saved as
    "Mul": {0: "other", 1: "self"},
    "Mm": {0: "mat2", 1: "self"},
    "Bmm": {0: "mat2", 1: "self"},
    "Addmm": {1: "mat2", 2: "mat1"},
}
_MASKS = ("Where", "Clamp", "ClampMin", "ClampMax", "Relu", "Threshold", "MaskedFill", "Abs")


@dataclass(frozen=True)
class Guess:
    """A change in some steps, and what is to be said of it if it explains manual."""

    steps: tuple[tuple[int, int], ...]
    change: Change
    mistake: Mistake
    sentence: str
    factor: float | None = None


def guesses(trial: Clue, graph: Graph) -> Iterator[Guess]:
    """Of every step that the gradient depends on, what is simplest first."""

    def matters(step: tuple[int, int]) -> bool:
        found = graph.gradient(trial.gradient, trial.evidence.incoming, [step], without)
        return found is None or not torch.equal(found, trial.t)

    steps = [step for step in graph.steps() if matters(step)]
    alike: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for step in steps:
        alike.setdefault(graph.kind(step), []).append(step)
    groups = [(s,) for s in steps] + [tuple(g) for g in alike.values() if len(g) > 1]
    for kind in _KINDS:
        for group in groups:
            yield from kind(graph, group)


def without(graph: Graph, node: Any, handed: Tensor, above: Tensor) -> Tensor:
    """Nothing comes back through this step."""
    return torch.zeros_like(handed)


def shown(graph: Graph, group: Sequence[tuple[int, int]]) -> tuple[str, str]:
    """The operand and the expression that it stands in."""
    i, j = group[0]
    node = graph.nodes[i]
    operand, whole = graph.text(node.next_functions[j][0]), graph.text(node, 3)
    each = "each " if len(group) > 1 else ""
    return f"`{operand}`", f"{each}`{whole}`"


def _left_out(graph: Graph, group: tuple[tuple[int, int], ...]) -> Iterator[Guess]:
    operand, whole = shown(graph, group)
    said = f"{operand} in {whole} is treated as a constant: no gradient flows back through it"
    if operand == whole:
        said = f"one of the uses of {whole} is left out: no gradient flows back from it"
    yield Guess(group, without, Mistake.CONSTANT, said)


def _turned(graph: Graph, group: tuple[tuple[int, int], ...]) -> Iterator[Guess]:
    operand, whole = shown(graph, group)
    said = f"the gradient through {operand} in {whole} has the wrong sign"
    yield Guess(group, lambda graph, node, handed, above: -handed, Mistake.SIGN, said, -1.0)


def _handed_on(graph: Graph, group: tuple[tuple[int, int], ...]) -> Iterator[Guess]:
    node = graph.nodes[group[0][0]]
    _, whole = shown(graph, group)

    def as_it_came(graph: Graph, node: Any, handed: Tensor, above: Tensor) -> Tensor | None:
        try:
            return above.sum_to_size(handed.shape)
        except RuntimeError:
            return None

    if name_of(node) in _OPERANDS or name_of(node) == "Div":
        factor = _other_factor(graph, node, group[0][1])
        said = f"the factor {factor} is missing: {whole} is differentiated as if that were 1"
        yield Guess(group, as_it_came, Mistake.MISSING_FACTOR, said)
    else:
        said = f"the derivative of {whole} is missing: its gradient is passed through unchanged"
        yield Guess(group, as_it_came, Mistake.NO_DERIVATIVE, said)


def _other_factor(graph: Graph, node: Any, place: int) -> str:
    if name_of(node) == "Div":
        return f"`1 / {graph.text(node.next_functions[1][0])}`" if place == 0 else "of the quotient"
    other = graph.saved(node).get(_OPERANDS[name_of(node)].get(place, ""))
    return "of the product" if other is None else f"`{graph.text_of(other)}`"


def _another_function(graph: Graph, group: tuple[tuple[int, int], ...]) -> Iterator[Guess]:
    node = graph.nodes[group[0][0]]
    if name_of(node) in MOVES or sum(edge is not None for edge, _ in node.next_functions) != 1:
        return
    _, whole = shown(graph, group)
    for argument, table, letter in ((True, OF_ARGUMENT, "x"), (False, OF_VALUE, "a")):
        for text, of in table.items():

            def instead(
                graph: Graph,
                node: Any,
                handed: Tensor,
                above: Tensor,
                argument: bool = argument,
                of: Any = of,
            ) -> Tensor | None:
                own = graph.argument(node) if argument else graph.saved(node).get("result")
                same = own is not None and own.shape == above.shape == handed.shape
                return above * of(own) if same else None

            where = "its argument" if letter == "x" else "its value"
            said = f"the derivative of {whole} is taken to be {text}, where {letter} is {where}"
            yield Guess(group, instead, Mistake.ANOTHER_DERIVATIVE, said)


def _other_branch(graph: Graph, group: tuple[tuple[int, int], ...]) -> Iterator[Guess]:
    """Of what chooses between two, the gradient of what was not chosen."""
    _, whole = shown(graph, group)
    if name_of(graph.nodes[group[0][0]]) in _MASKS:
        said = (
            f"the mask of {whole} is inverted: the gradient goes to the branch that was not taken"
        )
        yield Guess(group, _inverted, Mistake.IN_A_PART, said)


def _inverted(graph: Graph, node: Any, handed: Tensor, above: Tensor) -> Tensor | None:
    return above - handed if above.shape == handed.shape else None


def _once_more(graph: Graph, group: tuple[tuple[int, int], ...]) -> Iterator[Guess]:
    """A power of what a step is computed from that is too high or too low."""
    node = graph.nodes[group[0][0]]
    _, whole = shown(graph, group)
    for what in ("self", "other", "result"):
        if (own := graph.saved(node).get(what)) is None or not own.is_floating_point():
            continue
        value = whole if what == "result" else f"`{graph.text_of(own)}`"
        for times in (True, False):

            def power(
                graph: Graph,
                node: Any,
                handed: Tensor,
                above: Tensor,
                what: str = what,
                times: bool = times,
            ) -> Tensor | None:
                own = graph.saved(node)[what]
                try:
                    made = handed * own if times else handed / own
                except RuntimeError:
                    return None
                return made if made.shape == handed.shape else None

            how = "multiplied" if times else "divided"
            said = f"the derivative of {whole} is {how} by {value} once too often"
            yield Guess(group, power, Mistake.ANOTHER_FACTOR, said)


def _another_operand(graph: Graph, group: tuple[tuple[int, int], ...]) -> Iterator[Guess]:
    """Another tensor of the same shape in place of a product's other factor, or its transpose."""
    [(i, j), *more] = group
    node = graph.nodes[i]
    right = graph.saved(node).get(_OPERANDS.get(name_of(node), {}).get(j, ""))
    if more or right is None:
        return
    for where, (text, value) in graph.tensors.items():
        own = torch.equal(value, right) if value.shape == right.shape else False
        for shown, of in _FORMS.items():
            if of(value).shape != right.shape or (own and torch.equal(of(value), right)):
                continue

            def instead(
                graph: Graph,
                node: Any,
                handed: Tensor,
                above: Tensor,
                where: Where = where,
                of: Any = of,
            ) -> Tensor | None:
                other = graph.tensor(where)
                return None if other is None else _product(node, j, above, of(other), handed)

            said = (
                f"in the derivative of `{graph.text(node, 3)}` the factor is "
                f"`{shown.format(text)}` instead of `{graph.text_of(right)}`"
            )
            yield Guess(group, instead, Mistake.ANOTHER_FACTOR, said)


def _product(node: Any, place: int, above: Tensor, other: Tensor, handed: Tensor) -> Tensor | None:
    name = name_of(node)
    try:
        if name == "Mul":
            return (above * other).sum_to_size(handed.shape)
        first = place == (1 if name == "Addmm" else 0)
        return above @ other.mT if first else other.mT @ above
    except RuntimeError:
        return None


_FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "{}": lambda x: x,
    "1 − {}": lambda x: 1 - x,
    "{}ᵀ": lambda x: x.mT if x.dim() > 1 else x,
}
_KINDS = (
    _left_out,
    _handed_on,
    _turned,
    _other_branch,
    _another_function,
    _once_more,
    _another_operand,
)
