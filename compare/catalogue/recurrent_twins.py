"""What recurrent layers are compared with, out of PyTorch's cells."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from compare.trial.given import map_tensors


def _rounded_once(twin: Callable[..., Any]) -> Callable[..., Any]:
    """Under autocast in its type, but computed in float32, where PyTorch rounds at every step."""

    def run(*arguments: Any, **options: Any) -> Any:
        if not torch.is_autocast_enabled("cpu"):
            return twin(*arguments, **options)
        lower = torch.get_autocast_dtype("cpu")
        tensors = map_tensors(lambda t: t.to(lower).float(), arguments)
        with torch.autocast("cpu", enabled=False):
            found = twin(*tensors, **options)
        return map_tensors(lambda t: t.to(lower), found)

    return run


def _in_float32(twin: Callable[..., Any]) -> Callable[..., Any]:
    """Under autocast of the type that PyTorch gives out, which computes parts of it in less."""

    def run(*arguments: Any, **options: Any) -> Any:
        with torch.autocast("cpu", enabled=False):
            return twin(*arguments, **options)

    return run


def _places(x: Tensor, reverse: bool) -> list[int]:
    return list(range(len(x)))[:: -1 if reverse else 1]


@_rounded_once
def lstm_twin(x: Tensor, h: Tensor, c: Tensor, *parameters: Any, reverse: bool = False) -> Any:
    """All h and c."""
    hs, cs = {}, {}
    parameters = (*parameters, *[None] * (4 - len(parameters)))
    for t in _places(x, reverse):
        h, c = torch.lstm_cell(x[t], (h, c), *parameters)
        hs[t], cs[t] = h, c
    places = range(len(x))
    return torch.stack([hs[t] for t in places]), torch.stack([cs[t] for t in places])


def _in_steps(cell: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A layer of cells that have one state."""

    def layer(x: Tensor, h: Tensor, *parameters: Any, reverse: bool = False, **o: Any) -> Tensor:
        parameters = (*parameters, *[None] * (4 - len(parameters)))
        hs = {}
        for t in _places(x, reverse):
            hs[t] = h = cell(x[t], h, *parameters, **o)
        return torch.stack([hs[t] for t in range(len(x))])

    return layer


def _any_rnn_cell(*arguments: Any, nonlinearity: str = "tanh") -> Tensor:
    return getattr(torch, f"rnn_{nonlinearity}_cell")(*arguments)


rnn_twin, rnn_cell_twin = _rounded_once(_in_steps(_any_rnn_cell)), _rounded_once(_any_rnn_cell)
gru_twin, gru_cell_twin = _in_float32(_in_steps(torch.gru_cell)), _in_float32(torch.gru_cell)


@_in_float32
def lstm_cell_twin(x: Tensor, h: Tensor, c: Tensor, *parameters: Any) -> Any:
    """``torch.lstm_cell`` of h and c by themselves."""
    return torch.lstm_cell(x, (h, c), *parameters)
