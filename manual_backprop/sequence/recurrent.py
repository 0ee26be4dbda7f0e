"""Recurrent networks out of recurrent layers: several on top of each other, in both directions.

    h⁰ = x        hˡ = layer(hˡ⁻¹)        or, with [·, ·] one beside the other,
                  hˡ = [forwards(hˡ⁻¹), backwards(hˡ⁻¹)]

The gradients of views, of [·, ·] and of picking are PyTorch's own; there is nothing to derive.

A batch of sequences that are not equally long (``PackedSequence``) is filled up at the end of each.
Forwards the filling comes last and nobody looks at what it gives. Backwards it would come first:
there each sequence is turned round by itself and then run forwards.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from manual_backprop.regularization.dropout import dropout
from manual_backprop.sequence.through_time import last_state

States = tuple[Tensor, ...]  # h, or h and c


class Filled:
    """A packed batch, filled up to (T, N, …)."""

    def __init__(self, batch_sizes: Tensor, device: torch.device) -> None:
        samples = torch.arange(int(batch_sizes[0]))
        seen = samples < batch_sizes[:, None]  # (T, N): step t of sample n is there
        lengths = seen.sum(0)
        place = torch.arange(len(batch_sizes))[:, None]
        turned = torch.where(seen, lengths - 1 - place, place)
        self.seen, self.turned = seen.to(device), turned.to(device)
        self.samples, self.last = samples.to(device), (lengths - 1).to(device)
        self.rows = (self.seen.flatten().cumsum(0) - 1).view(seen.shape)  # in the packed data

    def fill(self, data: Tensor) -> Tensor:
        """(Σ lengths, …) → (T, N, …)."""
        return data[self.rows]

    def pack(self, filled: Tensor) -> Tensor:
        """(T, N, …) → (Σ lengths, …)."""
        return filled[self.seen]

    def turn(self, filled: Tensor) -> Tensor:
        """Each sequence from its own end."""
        return filled[self.turned, self.samples]

    def last_states(self, filled: Tensor) -> Tensor:
        """Each sequence's own."""
        return filled[self.last, self.samples]


def run(module: Any, layer: Callable[..., Any], input: Any, hx: Any) -> Any:
    """What the ``forward`` of a ``torch.nn.RNNBase`` gives.

    Args:
        module: it.
        layer: ``(x, *states, *parameters, reverse=…)`` → all states (T, N, H), of one layer in one
            direction.
        input, hx: as for the module.

    Raises:
        ValueError: for a projected state, or (by PyTorch) an input that does not fit.
        RuntimeError: (by PyTorch) if input and states do not fit the module.
    """
    name = type(module).__name__
    if module.proj_size:
        raise ValueError(f"{name}: expected proj_size=0, got {module.proj_size}")
    packed: Any = input if isinstance(input, PackedSequence) else None
    of_two = module.mode == "LSTM"  # it has two states, h and c
    filled = None
    if packed:
        filled = Filled(packed.batch_sizes, packed.data.device)
        x, batched = filled.fill(packed.data), True
    elif input.dim() in (2, 3):
        batched = input.dim() == 3
        x = input.transpose(0, 1) if batched and module.batch_first else input
        x = x if batched else x.unsqueeze(1)
    else:
        raise ValueError(f"{name}: expected input to be 2D or 3D, got {input.dim()}D")

    directions = 2 if module.bidirectional else 1
    if hx is None:
        zeros = x.new_zeros(module.num_layers * directions, x.shape[1], module.hidden_size)
        states: States = (zeros, zeros) if of_two else (zeros,)
    else:
        states = hx if of_two else (hx,)
        states = states if batched else tuple(s.unsqueeze(1) for s in states)
        if packed and packed.sorted_indices is not None:
            states = tuple(s.index_select(1, packed.sorted_indices) for s in states)
    given = packed.data if packed else x.transpose(0, 1) if module.batch_first else x
    sizes = packed.batch_sizes if packed else None
    module.check_forward_args(given, states if of_two else states[0], sizes)

    output, last = _layers(module, layer, x, states, filled)

    if filled is None:
        output = output if batched else output.squeeze(1)
        output = output.transpose(0, 1) if batched and module.batch_first else output
        last = last if batched else tuple(s.squeeze(1) for s in last)
        return output, last if of_two else last[0]
    if packed.unsorted_indices is not None:
        last = tuple(s.index_select(1, packed.unsorted_indices) for s in last)
    return packed._replace(data=filled.pack(output)), last if of_two else last[0]


def _layers(
    module: Any, layer: Callable[..., Any], x: Tensor, states: States, filled: Filled | None
) -> tuple[Tensor, States]:
    """The last layer's h of all steps, and the last states of all layers and directions."""
    last: list[States] = []
    for i in range(module.num_layers):
        if i > 0 and module.dropout > 0:
            x = _dropout(x, module.dropout, module.training, filled)
        both = []
        for reverse in (False, True)[: 1 + module.bidirectional]:
            first, parameters = [s[len(last)] for s in states], module.all_weights[len(last)]
            if filled and reverse:
                found = layer(filled.turn(x), *first, *parameters)
            else:
                found = layer(x, *first, *parameters, reverse=reverse)
            found = found if isinstance(found, tuple) else (found,)
            if filled:
                last.append(tuple(map(filled.last_states, found)))
            else:
                last.append(tuple(last_state(s, reverse) for s in found))
            both.append(filled.turn(found[0]) if filled and reverse else found[0])
        x = torch.cat(both, -1) if module.bidirectional else both[0]
    return x, tuple(map(torch.stack, zip(*last, strict=True)))


def _dropout(x: Tensor, p: float, training: bool, filled: Filled | None) -> Tensor:
    """Of what is there, so that the random numbers are those that PyTorch draws."""
    if filled is None:
        return dropout(x, p, training)
    return filled.fill(dropout(filled.pack(x), p, training))


def run_cell(module: Any, cell: Callable[..., Any], input: Tensor, hx: Any) -> Any:
    """What the ``forward`` of a ``torch.nn.RNNCellBase`` gives.

    Args:
        module: it.
        cell: ``(x, *states, *parameters)`` → the next states, (N, H).
        input, hx: as for the module.

    Raises:
        ValueError: if the shapes do not fit.
    """
    of_two = isinstance(module, torch.nn.LSTMCell)
    if input.dim() not in (1, 2):
        name = type(module).__name__
        raise ValueError(f"{name}: expected input to be 1D or 2D, got {input.dim()}D")
    if hx is None:
        zeros = input.new_zeros(*input.shape[:-1], module.hidden_size)
        hx = (zeros, zeros) if of_two else zeros
    states = hx if of_two else (hx,)
    batched = input.dim() == 2
    x, *states = (t if batched else t.unsqueeze(0) for t in (input, *states))
    parameters = module.weight_ih, module.weight_hh, module.bias_ih, module.bias_hh
    found = cell(x, *states, *parameters)
    if not batched:
        found = tuple(s.squeeze(0) for s in found) if of_two else found.squeeze(0)
    return found
