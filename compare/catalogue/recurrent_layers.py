"""Recurrent layers and networks."""

from typing import Any

import torch
from torch import Tensor, nn

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, Host, N, batch
from compare.catalogue.recurrent_formulas import (
    gru_backward,
    lstm_backward,
    rnn_backward,
    rnn_cell_delta,
)
from compare.catalogue.recurrent_twins import (
    gru_cell_twin,
    gru_twin,
    lstm_cell_twin,
    lstm_twin,
    rnn_cell_twin,
    rnn_twin,
)
from compare.catalogue.specimen import Bug
from compare.catalogue.values import normal
from compare.diagnosis.mistake import Mistake
from manual_backprop.sequence.gru import GRUFunction, gru, gru_cell
from manual_backprop.sequence.lstm import LSTMFunction, lstm, lstm_cell
from manual_backprop.sequence.rnn import RNNFunction, rnn, rnn_cell


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


def _at_the_kink() -> list[Tensor]:
    """Of whole numbers, at which some of the activation's inputs are 0."""
    return [a.round() for a in _arguments(1, 1, (3, 2))]


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


def _host(network: type[nn.RNNBase]) -> Host:
    class Output(network):  # type: ignore[misc, valid-type]
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)[0]

    # 9 samples of 4 steps
    sequences = batch(4, N, 7)
    return Host(lambda: [Output(7, 6), nn.Linear(6, CLASSES)], 0, sequences)


ENTRIES = [
    Entry(
        "RNN",
        rnn,
        calls=[
            call(*_arguments(1, 1, (3, 2))),
            call(*_arguments(1, 1, (3, 2)), reverse=True),
            call(*_arguments(1, 1, (3, 2)), nonlinearity="relu"),
            call(*_arguments(1, 1, (1, 3), bias=False)),
        ],
        special=[
            call(*_loud(_arguments(1, 1, (3, 2)))),
            *(call(*_at_the_kink(), nonlinearity=name) for name in ("tanh", "relu")),
            *(
                call(*(a * torch.nan for a in _arguments(1, 1, (2, 2))), nonlinearity=name)
                for name in ("tanh", "relu")
            ),
            call(*_arguments(1, 1, (3, 0))),
        ],
        modules=[*_STACKED, {**_STACKED[0], "nonlinearity": "relu"}],
        inputs=_sequences,
        twin_function=rnn_twin,
        host=_host(nn.RNN),
        wrong={
            "no gradient through time": Bug(
                {Mistake.DETACHED, Mistake.CONSTANT},
                lambda *t: rnn_backward(*t, through_time=0)[0],
            ),
            "recurrent weight transposed": Bug(
                Mistake.TRANSPOSED, lambda *t: rnn_backward(*t)[2].T, gradient="weight_hh_l0"
            ),
            "derivative of tanh forgotten": Bug(
                Mistake.NO_DERIVATIVE,
                lambda *t: rnn_backward(*t, slope=False)[1],
                gradient="weight_ih_l0",
            ),
            "bias counted twice": Bug(
                Mistake.TWICE, lambda *t: 2 * rnn_backward(*t)[3], gradient="bias_hh_l0"
            ),
        },
        right={"step by step": rnn_backward},
    ),
    Entry(
        "RNNCell",
        rnn_cell,
        calls=[
            call(*_arguments(1, 1, (3,))),
            call(*_arguments(1, 1, (3,)), nonlinearity="relu"),
            call(*_arguments(1, 1, (1,), bias=False)),
        ],
        special=[call(*_loud(_arguments(1, 1, (3,)))), call(*_arguments(1, 1, (0,)))],
        modules=[*_CELLS, {**_CELLS[0], "nonlinearity": "relu"}],
        inputs=_samples,
        twin_function=rnn_cell_twin,
        derivation=RNNFunction,
        host=Host(
            lambda: [nn.RNNCell(7, 6), nn.Linear(6, CLASSES)], 0, (batch(N, 7), batch(N, 6, seed=6))
        ),
        wrong={
            "state detached": Bug(Mistake.DETACHED, lambda g, x, h, *p: h * 0, gradient="input 1"),
            "bias averaged over the batch": Bug(
                Mistake.MEAN_FOR_SUM,
                lambda *t: rnn_cell_delta(*t).mean(0),
                gradient="bias_ih",
            ),
            "state with the wrong sign": Bug(
                Mistake.SIGN,
                lambda g, x, h, *p: -rnn_cell_delta(g, x, h, *p) @ p[1],
                gradient="input 1",
            ),
        },
        right={
            "products by einsum": lambda g, x, h, *p: (
                rnn_cell_delta(g, x, h, *p) @ p[0],
                rnn_cell_delta(g, x, h, *p) @ p[1],
                torch.einsum("nh,ni->hi", rnn_cell_delta(g, x, h, *p), x),
                torch.einsum("nh,nk->hk", rnn_cell_delta(g, x, h, *p), h),
                rnn_cell_delta(g, x, h, *p).sum(0),
                rnn_cell_delta(g, x, h, *p).sum(0),
            )
        },
    ),
    Entry(
        "GRU",
        gru,
        calls=[
            call(*_arguments(3, 1, (3, 2))),
            call(*_arguments(3, 1, (3, 2)), reverse=True),
            call(*_arguments(3, 1, (2, 3), bias=False)),
            call(*_arguments(3, 1, (1, 2))),
        ],
        special=[
            call(*_loud(_arguments(3, 1, (3, 2)))),
            call(*(a * torch.nan for a in _arguments(3, 1, (2, 2)))),
            call(*_arguments(3, 1, (3, 0))),
        ],
        modules=_STACKED,
        inputs=_sequences,
        twin_function=gru_twin,
        host=_host(nn.GRU),
        wrong={
            "reset gate forgotten": Bug(
                {Mistake.IN_A_PART, Mistake.MISSING_FACTOR},
                lambda *t: gru_backward(*t, resets=False)[4],
                gradient="bias_hh_l0",
            ),
            "input halved": Bug(Mistake.FACTOR, lambda *t: gru_backward(*t)[0] / 2),
            "bias with the wrong sign": Bug(
                Mistake.SIGN, lambda *t: -gru_backward(*t)[3], gradient="bias_ih_l0"
            ),
        },
        right={"step by step": gru_backward},
    ),
    Entry(
        "GRUCell",
        gru_cell,
        calls=[
            call(*_arguments(3, 1, (3,))),
            call(*_arguments(3, 1, (1,), bias=False)),
        ],
        special=[call(*_loud(_arguments(3, 1, (3,)))), call(*_arguments(3, 1, (0,)))],
        modules=_CELLS,
        inputs=_samples,
        twin_function=gru_cell_twin,
        derivation=GRUFunction,
    ),
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
        twin_function=lstm_twin,
        host=_host(nn.LSTM),
        wrong={
            "no gradient through the cell state": Bug(
                {Mistake.DETACHED, Mistake.CONSTANT},
                lambda *t: lstm_backward(*t, through_c=0)[0],
            ),
            "forget gate forgotten": Bug(
                {Mistake.NO_DERIVATIVE, Mistake.MISSING_FACTOR},
                lambda *t: lstm_backward(*t, forgets=False)[1],
                gradient="weight_ih_l0",
            ),
            "bias with the wrong sign": Bug(
                Mistake.SIGN, lambda *t: -lstm_backward(*t)[3], gradient="bias_ih_l0"
            ),
            "recurrent weight counted twice": Bug(
                Mistake.TWICE, lambda *t: 2 * lstm_backward(*t)[2], gradient="weight_hh_l0"
            ),
        },
        right={"step by step": lstm_backward},
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
        twin_function=lstm_cell_twin,
        derivation=LSTMFunction,
    ),
]
