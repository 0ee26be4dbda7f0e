"""Recurrent layers and networks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, Host, N, batch
from compare.catalogue.specimen import Bug
from compare.catalogue.values import normal
from compare.diagnosis.mistake import Mistake
from manual_backprop.sequence.lstm import LSTMFunction, lstm, lstm_cell


def _rounded_once(twin: Callable[..., Any]) -> Callable[..., Any]:
    """Under autocast in its type, but computed in float32, where PyTorch rounds at every step."""

    def run(*arguments: Any, **options: Any) -> Any:
        if not torch.is_autocast_enabled("cpu"):
            return twin(*arguments, **options)
        lower = torch.get_autocast_dtype("cpu")
        tensors = [a if a is None else a.to(lower).float() for a in arguments]
        with torch.autocast("cpu", enabled=False):
            found = twin(*tensors, **options)
        return tuple(t.to(lower) for t in found)

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
def _lstm(x: Tensor, h: Tensor, c: Tensor, *parameters: Any, reverse: bool = False) -> Any:
    hs, cs = {}, {}
    parameters = (*parameters, *[None] * (4 - len(parameters)))
    for t in _places(x, reverse):
        h, c = torch.lstm_cell(x[t], (h, c), *parameters)
        hs[t], cs[t] = h, c
    places = range(len(x))
    return torch.stack([hs[t] for t in places]), torch.stack([cs[t] for t in places])


@_in_float32
def _lstm_cell(x: Tensor, h: Tensor, c: Tensor, *parameters: Any) -> Any:
    return torch.lstm_cell(x, (h, c), *parameters)


def _arguments(gates: int, states: int, batch: tuple[int, ...], bias: bool = True) -> Any:
    """x with three features, states of two numbers, weights and biases."""
    seeds = iter(range(9))
    x = normal(*batch, 3, seed=next(seeds))
    first = [normal(batch[-1], 2, seed=next(seeds)) for _ in range(states)]
    shapes = [(2 * gates, 3), (2 * gates, 2), *[(2 * gates,)] * (2 if bias else 0)]
    return [x, *first, *(normal(*shape, seed=next(seeds)) for shape in shapes)]


def _loud(arguments: list[Tensor]) -> list[Tensor]:
    """Of numbers at which every gate is open or shut."""
    return [a * 100 for a in arguments]


_STACKED: list[dict[str, Any]] = [
    {"input_size": 5, "hidden_size": 4},
    {"input_size": 5, "hidden_size": 4, "num_layers": 2, "bidirectional": True, "dropout": 0.4},
    {"input_size": 5, "hidden_size": 4, "bias": False, "batch_first": True},
]
_CELLS: list[dict[str, Any]] = [
    {"input_size": 5, "hidden_size": 4},
    {"input_size": 5, "hidden_size": 4, "bias": False},
]


def _sequences() -> tuple[Tensor]:
    return (torch.randn(6, 7, 5),)


def _samples() -> tuple[Tensor]:
    return (torch.randn(7, 5),)


class _LSTMOutput(nn.LSTM):
    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x)[0]


_SEQUENCES = batch(6, N, 7)


def _host(module: Callable[[], nn.Module]) -> Host:
    return Host(lambda: [module(), nn.Linear(4, CLASSES)], 0, _SEQUENCES)


def _lstm_backward(
    g: Tensor,
    x: Tensor,
    *parameters: Tensor,
    through_h: float = 1,
    through_c: float = 1,
    forgets: bool = True,
) -> tuple[Tensor, ...]:
    """Step by step, with what goes from step to step scaled."""
    w_ih, w_hh, b_ih, b_hh = parameters
    h = c = x.new_zeros(x.shape[1], w_hh.shape[1])
    kept = []
    for row in x:
        a = row @ w_ih.T + b_ih + h @ w_hh.T + b_hh
        i, f, m, o = a.chunk(4, 1)
        i, f, m, o = i.sigmoid(), f.sigmoid(), m.tanh(), o.sigmoid()
        before, c = (h, c), f * c + i * m
        kept.append((row, *before, i, f, m, o, c.tanh()))
        h = o * c.tanh()
    of_x, of_w_ih, of_w_hh, of_b = [], w_ih * 0, w_hh * 0, b_ih * 0
    of_h = of_c = torch.zeros_like(h)
    for g_t, (row, h, c, i, f, m, o, tanh_c) in zip(g.flip(0), kept[::-1], strict=True):
        of_h = g_t + of_h
        of_c = of_c + of_h * o * (1 - tanh_c**2)
        delta = torch.cat(
            [
                of_c * m * i * (1 - i),
                of_c * c * f * (1 - f),
                of_c * i * (1 - m * m),
                of_h * tanh_c * o * (1 - o),
            ],
            1,
        )
        of_x.append(delta @ w_ih)
        of_w_ih, of_w_hh = of_w_ih + delta.T @ row, of_w_hh + delta.T @ h
        of_b = of_b + delta.sum(0)
        of_h, of_c = through_h * (delta @ w_hh), through_c * of_c * (f if forgets else 1)
    return torch.stack(of_x[::-1]), of_w_ih, of_w_hh, of_b, of_b


ENTRIES = [
    Entry(
        "LSTM",
        lstm,
        calls=[
            call(*_arguments(4, 2, (3, 2))),
            call(*_arguments(4, 2, (3, 2)), reverse=True),
            call(*_arguments(4, 2, (2, 3), bias=False)),
            call(*_arguments(4, 2, (1, 2))),
        ],
        special=[
            call(*_loud(_arguments(4, 2, (3, 2)))),
            call(*(a * torch.nan for a in _arguments(4, 2, (2, 2)))),
            call(*_arguments(4, 2, (3, 0))),
        ],
        modules=_STACKED,
        inputs=_sequences,
        twin_function=_lstm,
        host=_host(lambda: _LSTMOutput(7, 4)),
        wrong={
            "nothing through time": Bug(
                Mistake.DETACHED,
                lambda *t: _lstm_backward(*t, through_h=0, through_c=0)[2],
                gradient="weight_hh_l0",
                diagnosed=False,
            ),
            "nothing through the memory": Bug(
                Mistake.DETACHED,
                lambda *t: _lstm_backward(*t, through_c=0)[0],
                diagnosed=False,
            ),
            "forget gate forgotten": Bug(
                Mistake.NO_DERIVATIVE,
                lambda *t: _lstm_backward(*t, forgets=False)[1],
                gradient="weight_ih_l0",
                diagnosed=False,
            ),
            "bias with the wrong sign": Bug(
                Mistake.SIGN, lambda *t: -_lstm_backward(*t)[3], gradient="bias_ih_l0"
            ),
        },
        right={"step by step": _lstm_backward},
    ),
    Entry(
        "LSTMCell",
        lstm_cell,
        calls=[
            call(*_arguments(4, 2, (3,))),
            call(*_arguments(4, 2, (1,), bias=False)),
        ],
        special=[call(*_loud(_arguments(4, 2, (3,)))), call(*_arguments(4, 2, (0,)))],
        modules=_CELLS,
        inputs=_samples,
        twin_function=_lstm_cell,
        derivation=LSTMFunction,
    ),
]
