"""What ``Network`` accepts: samples, targets and settings, each refused in one clear line.

Everything is checked once, where it enters, so that the recursion holds nothing but mathematics.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot

T = TypeVar("T")


def choose(table: Mapping[str, T], name: str, what: str) -> T:
    """``table[name]``.

    Raises:
        ValueError: if there is no such name; says which there are.
    """
    if name not in table:
        raise ValueError(f"unknown {what} {name!r}: choose one of {', '.join(table)}")
    return table[name]


def samples(x: Any, inputs: int, like: Tensor) -> Tensor:
    """x as a tensor of shape (m, inputs), with the dtype and on the device of ``like``.

    Raises:
        ValueError: if the shape does not fit, there is no sample, or a value is not finite.
    """
    x = torch.as_tensor(x, dtype=like.dtype, device=like.device).detach()
    if x.dim() != 2 or x.shape[1] != inputs or len(x) == 0:
        raise ValueError(f"expected x of shape (m, {inputs}) with m ≥ 1, got {tuple(x.shape)}")
    _range(x, "x")
    return x


def targets(y: Any, m: int, outputs: int, loss: str, like: Tensor) -> Tensor:
    """y as a tensor of shape (m, outputs), with the dtype and on the device of ``like``.

    Args:
        y: whole-number labels of shape (m), counted from 0 (a single output has the labels 0 and
            1), or one target for each output, of shape (m, outputs).
        m: the number of samples.
        outputs: k, the number of outputs.
        loss: its name; a cross entropy needs probabilities.
        like: a weight of the network.

    Raises:
        ValueError: if the shape does not fit, a label is out of range, a target is not finite, or
            is no probability where the loss needs one.
    """
    y = torch.as_tensor(y, device=like.device).detach()
    if y.shape == (m,) and not y.is_floating_point():
        y = _one_hot(y.long(), outputs)
    if y.shape != (m, outputs):
        raise ValueError(
            f"expected y of shape ({m}, {outputs}), or whole-number labels of shape ({m},), "
            f"got {y.dtype} of shape {tuple(y.shape)}"
        )
    y = y.to(like.dtype)
    low, high = _range(y, "y")
    if loss not in ("squared-error", "mse") and (low < 0 or high > 1):
        raise ValueError(f"{loss} expects targets between 0 and 1, got {low:g} … {high:g}")
    if loss in ("cross-entropy", "nll"):
        # δᴸ = ŷ − y is derived with Σⱼ yⱼ = 1 and would be silently wrong without it.
        error = float((y.sum(1) - 1).abs().max())
        if error > 1e-4:
            raise ValueError(f"{loss} expects rows of y that sum to 1, got one off by {error:g}")
    return y


def _one_hot(labels: Tensor, outputs: int) -> Tensor:
    classes = max(outputs, 2)
    low, high = _range(labels, "y")
    if low < 0 or high >= classes:
        raise ValueError(f"expected labels 0 … {classes - 1}, got labels {low:g} … {high:g}")
    return one_hot(labels, outputs) if outputs > 1 else labels.unsqueeze(1)


def _range(tensor: Tensor, name: str) -> tuple[float, float]:
    """The least and the largest value. Both are NaN as soon as one value is."""
    low, high = (float(value) for value in tensor.aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"expected finite numbers, got NaN or infinity in {name}")
    return low, high


def gradient_share(lr: float, momentum: float, momentum_form: str) -> float:
    """How much of the gradient enters the velocity: all in PyTorch's form, 1 − β in the notes'.

    Raises:
        ValueError: for a negative learning rate or momentum, a momentum that leaves the gradient
            no share, or an unknown form.
    """
    share = choose({"torch": 1.0, "ema": 1.0 - momentum}, momentum_form, "momentum form")
    if not lr >= 0:
        raise ValueError(f"expected a learning rate ≥ 0, got {lr}")
    if not (momentum >= 0 and share > 0):
        limit = "" if momentum_form == "torch" else " and below 1"
        raise ValueError(f"expected a momentum of at least 0{limit}, got {momentum}")
    return share


def positive(number: Any, what: str) -> int:
    """The number, which has to be whole and positive.

    Raises:
        ValueError: if it is not.
    """
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"expected {what} ≥ 1, got {number!r}")
    return number


def rows_at_once(batch_size: int | str, m: int) -> int:
    """The samples of a step: the batch size, or all m of them for ``"full"``.

    Raises:
        ValueError: if it is neither ``"full"`` nor whole and positive.
    """
    return m if batch_size == "full" else positive(batch_size, "'full' or a batch size")
