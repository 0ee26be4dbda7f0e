"""Through time: the order of the steps, and the state that each of them starts from.

    h_t = f(x_t, h_{t−1})           t = 1 … T, from h_0

A network that runs backwards in time goes from T to 1; the state before step t is then h_{t+1}.
Shapes: x (T, N, I), all states h (T, N, H), one state (N, H).

Source: Werbos 1990 (backpropagation through time).
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def steps(length: int, reverse: bool) -> Sequence[int]:
    """The places of the steps, in the order in which they are made."""
    return range(length - 1, -1, -1) if reverse else range(length)


def states_before(first: Tensor, states: Tensor | None, reverse: bool) -> Tensor:
    """The state that each step starts from, out of h_0 and all h.

    A single step needs no h but h_0: ``states`` is None then.
    """
    if states is None:
        return first.unsqueeze(0)
    parts = [states[1:], first.unsqueeze(0)] if reverse else [first.unsqueeze(0), states[:-1]]
    return torch.cat(parts)


def last_state(states: Tensor, reverse: bool) -> Tensor:
    """The state after the last step."""
    return states[0 if reverse else -1]


def check_sequence(
    name: str, gates: int, input: Tensor, weight_ih: Tensor, weight_hh: Tensor, *first: Tensor
) -> None:
    """Raise ValueError unless the shapes are those of a recurrent layer with so many gates."""
    rows = weight_ih.shape[0]
    H = rows // gates
    if (
        input.dim() != 3
        or weight_ih.shape != (H * gates, input.shape[2])
        or weight_hh.shape != (H * gates, H)
        or any(state.shape != (input.shape[1], H) for state in first)
    ):
        raise ValueError(
            f"{name}: expected input (T, N, I), states (N, H), weight_ih ({gates}H, I) and "
            f"weight_hh ({gates}H, H), got input {tuple(input.shape)}, states "
            f"{', '.join(str(tuple(state.shape)) for state in first)}, weight_ih "
            f"{tuple(weight_ih.shape)} and weight_hh {tuple(weight_hh.shape)}"
        )
    if not len(input):
        raise ValueError(f"{name}: expected one step or more, got input {tuple(input.shape)}")
