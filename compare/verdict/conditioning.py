"""How far the truth itself moves when every number is rounded once.

A right backward may compute its numbers along another way than the reference, and round elsewhere.
Where inputs saturate, what differs then is far more than the reference's own error, which may have
been small by luck: with scores near 10³ an attention's probabilities lose three more digits than
its inputs have. The yardstick is backward error. The reference is run once more in float64, forward
and backward, with each number that goes in or is computed on the way moved by a rounding of the
dtype in question, up or down at random. What moves with that is ill-conditioned, and nobody can be
asked to get it better.

Source: Parker, Monte Carlo Arithmetic, 1997.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from compare.trial.case import Case
from compare.trial.key import Key
from compare.trial.trial import Trial

_RUNS = 4


def movement(trial: Trial, reference: Case, dtype: torch.dtype) -> dict[Key, Tensor]:
    """|change| of outputs and gradients, element by element, the largest of a few runs.

    Args:
        trial: Whose truth is moved.
        reference: What computes it.
        dtype: Whose roundings they are.

    Raises:
        Exception: Whatever the reference raises.
    """
    truth = {item.key: item.tensor for item in trial.truth if item.tensor is not None}
    moved = {key: torch.zeros_like(t) for key, t in truth.items()}
    for seed in range(_RUNS):
        with Rounding(torch.finfo(dtype).eps, seed) as rounding:
            items, _ = reference.gradients(
                trial.given.map(lambda x: rounding.of(x.detach())),
                [rounding.of(c.double()) for c in trial.fed_in],
                torch.float64,
            )
        for item in items:
            if item.tensor is not None and item.key in moved:
                change = (item.tensor - truth[item.key]).abs()
                moved[item.key] = torch.maximum(moved[item.key], change.nan_to_num(0, 0, 0))
    return moved


class Rounding(TorchDispatchMode):
    """Within ``with`` every float64 number that is computed comes out rounded.

    What is only looked at from elsewhere (views) or written in place is left alone: its numbers
    have been rounded when they were computed.
    """

    def __init__(self, eps: float, seed: int) -> None:
        super().__init__()
        self.eps, self.generator = eps, torch.Generator().manual_seed(seed)

    def of(self, x: Tensor) -> Tensor:
        """x, each number moved by eps of its size, up or down.

        Whole numbers need no rounding, and stay: a label that is compared with 1 is a label.
        """
        if not x.is_floating_point():
            return x
        signs = torch.randint(2, x.shape, generator=self.generator, dtype=torch.float64) * 2 - 1
        return torch.where(x == x.round(), x, x * (1 + self.eps * signs.to(x.device)))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        results = result if isinstance(result, tuple | list) else (result,)
        for returned, x in zip(func._schema.returns, results, strict=False):
            if isinstance(x, Tensor) and x.dtype == torch.float64 and returned.alias_info is None:
                x.copy_(self.of(x))
        return result
