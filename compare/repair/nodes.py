"""The custom Functions in the graph of a model's outputs, and which result of each goes where."""

import math
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_TORCH = str(Path(torch.__file__).parent)
_FRAME = re.compile(r'File "(.+?)", line (\d+), in (.+)\n')


@dataclass(frozen=True)
class Place:
    """The call that made a node of the graph, as Python's tracebacks tell it."""

    file: str
    line: int
    function: str


class recorded_places(torch.autograd.set_detect_anomaly):
    """Within ``with`` each node of a graph remembers the call that made it."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            super().__init__(True, check_nan=False)


def places_towards(node: Any, leaf: Tensor | None) -> list[int]:
    """The places among a backward's results from which the leaf's gradient comes."""
    found = []
    for place, (edge, _) in enumerate(node.next_functions):
        if edge is not None and leaf is not None and _reaches(edge, leaf):
            found.append(place)
    return found


def _reaches(edge: Any, leaf: Tensor) -> bool:
    todo, seen = [edge], {edge}
    while todo:
        node = todo.pop()
        if getattr(node, "variable", None) is leaf:
            return True
        for inner, _ in node.next_functions:
            if inner is not None and inner not in seen:
                seen.add(inner)
                todo.append(inner)
    return False


def made_at(node: Any) -> Place | None:
    """The line of the call that made it, outside of PyTorch; see ``recorded_places``."""
    frames = [
        match.groups()
        for text in node.metadata.get("traceback_", ())
        if (match := _FRAME.search(text))
    ]
    own = [f for f in frames if not f[0].startswith((_TORCH, "<"))]
    if not own:
        return None
    file, line, function = own[-1]
    return Place(file, int(line), function)


def more_than_asked(node: Any, returned: Any) -> bool:
    """Whether a backward's result is larger than the tensor that it is the gradient of."""
    results = returned if isinstance(returned, tuple | list) else (returned,)
    if len(results) != len(node.next_functions):
        return False
    for result, (edge, number) in zip(results, node.next_functions, strict=True):
        if isinstance(result, Tensor) and edge is not None:
            asked = math.prod(edge._input_metadata[number].shape)
            if result.numel() > asked:
                return True
    return False
