"""The line that each fault of a layer is written on."""

import linecache
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from compare.blame.finding import Fault, JudgedLayer, SourceLine
from compare.blame.piece import Piece
from compare.diagnosis.mistake import Mistake
from compare.repair.nodes import made_at, places_towards, recorded_places
from compare.repair.source import Written, line_of_result, written
from compare.trial.autograd_graph import custom, nodes
from compare.trial.case import Case
from compare.trial.given import map_tensors, tensors_in
from compare.trial.key import Key, Kind
from compare.trial.randomness import undisturbed


def located(layer: JudgedLayer) -> JudgedLayer:
    """The same with the source of each of its faults, as far as it can be had."""
    if layer.piece is None or not layer.faults:
        return layer
    try:
        where = _Where(layer.piece)
    except Exception:  # a forward that raises has no graph; its own line must do
        return layer
    return replace(layer, faults=tuple(replace(f, source=where.of(f)) for f in layer.faults))


class _Where:
    def __init__(self, piece: Piece) -> None:
        case: Case = piece.sides.manual
        given, _ = piece.calls[0]
        self.model, _ = case.copies()
        inside = case.given(given)
        with undisturbed(given.tensors), torch.enable_grad(), recorded_places():
            given.random_state.restore()
            args, kwargs = map_tensors(
                lambda x: x.clone() if x.requires_grad else x, (inside.args, inside.kwargs)
            )
            self.inputs = [x for x in tensors_in((args, kwargs)) if x.requires_grad]
            self.outputs = list(tensors_in(self.model(*args, **kwargs)))
        self.custom = custom(self.outputs)

    def of(self, fault: Fault) -> SourceLine | None:
        if fault.diagnosis.mistake is Mistake.FORWARD:
            return self._forward()
        if fault.error is not None and (found := _where_raised(fault.error, self._backwards())):
            return found
        leaf = self._leaf(fault.row.key)
        ways = [(node, places_towards(node, leaf)) for node in self.custom]
        # The last one on the way back to the leaf; where none leads there, the first that there is.
        towards = [(node, places) for node, places in ways if places] or ways[-1:]
        for node, places in reversed(towards):
            if place := written(node._forward_cls.backward):
                return _source(place, line_of_result(place.tree, places[0] if places else None))
        for node in [node for node, _ in reversed(towards)] or list(nodes(self.outputs)):
            if call := made_at(node):
                return SourceLine(call.file, call.line, call.function, _line(call.file, call.line))
        return self._forward()

    def _leaf(self, key: Key | None) -> Tensor | None:
        if key is not None and key.kind is Kind.PARAMETER:
            return dict(self.model.named_parameters()).get(key.name)
        if key is not None and key.kind is Kind.INPUT and key.place < len(self.inputs):
            return self.inputs[key.place]
        return None

    def _backwards(self) -> list[str]:
        found = (written(node._forward_cls.backward) for node in self.custom)
        return [place.file for place in found if place]

    def _forward(self) -> SourceLine | None:
        """Of a Function where there is one, else of the module or function itself."""
        functions: list[Any] = [node._forward_cls.forward for node in self.custom[:1]]
        functions.append(type(self.model).forward if _is_module(self.model) else self.model)
        for place in filter(None, map(written, functions)):
            return _source(place, line_of_result(place.tree, None))
        return None


def _is_module(model: Callable[..., Any]) -> bool:
    return isinstance(model, nn.Module)


def _source(place: Written, line: int) -> SourceLine:
    return SourceLine(place.file, line, place.name, place.text(line))


def _line(file: str, line: int) -> str:
    return linecache.getline(file, line).strip()


def _where_raised(error: BaseException, files: Sequence[str]) -> SourceLine | None:
    """The last line in one of these files that an error came through."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename in files and code.co_name not in ("forward", "setup_context"):
            line = trace.tb_lineno
            found = SourceLine(
                code.co_filename, line, code.co_qualname, _line(code.co_filename, line)
            )
        trace = trace.tb_next
    return found
