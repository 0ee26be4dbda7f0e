"""How far the truth itself moves when every number is rounded once.

A right backward may compute its numbers along another way than the reference, and round elsewhere.
Where inputs saturate, what differs then is far more than the reference's own error, which may have
been small by luck: with scores near 10³ an attention's probabilities lose three more digits than
its inputs have. The yardstick is backward error. The reference is run once more in float64, forward
and backward, with each number that goes in or is computed on the way moved by a rounding of the
dtype in question, up or down at random. What moves with that is ill-conditioned, and nobody can be
asked to get it better. A sum is rounded once for each of its terms; see ``sums``.

Each number then lies on the grid of the dtype, which is coarse where numbers are smallest
(underflow), and on which numbers tie that are different ones: scores near 10⁶ lie 4,096 apart in
bfloat16. The first run moves nothing and only puts each number on the grid, as the dtype would.

Source: Parker, Monte Carlo Arithmetic, 1997.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from compare.trial.case import Case
from compare.trial.key import Key
from compare.trial.trial import Trial
from compare.verdict.sums import rounding_of_logarithm, roundings

_RUNS = 5  # one to the nearest, four at random
_FAR = 1e3  # times as far as the truth moves

# What gives out the numbers that it is given, or none that are computed.
_COPIES = {
    torch.ops.aten._to_copy,
    torch.ops.aten._unsafe_view,
    torch.ops.aten.cat,
    torch.ops.aten.clone,
    torch.ops.aten.constant_pad_nd,
    torch.ops.aten.full_like,
    torch.ops.aten.gather,
    torch.ops.aten.index,
    torch.ops.aten.index_select,
    torch.ops.aten.ones_like,
    torch.ops.aten.stack,
    torch.ops.aten.where,
}


def movement(
    trial: Trial, reference: Case, dtype: torch.dtype, errors: Mapping[Key, float] | None = None
) -> dict[Key, Tensor]:
    """|change| of outputs and gradients, element by element, the largest of a few runs.

    Args:
        trial: Whose truth is moved.
        reference: What computes it.
        dtype: Whose roundings they are.
        errors: That are to be accounted for, by the reference's keys: where two runs at random show
            that each is out of reach by far, there are no more.

    Raises:
        Exception: Whatever the reference raises.
    """
    truth = {item.key: item.tensor for item in trial.truth if item.tensor is not None}
    moved = {key: torch.zeros_like(t) for key, t in truth.items()}
    for seed in range(_RUNS):
        # Attention as what it is made of: of a fused kernel nobody sees the scores.
        mode = Rounding(dtype, None if seed == 0 else seed)
        with sdpa_kernel(SDPBackend.MATH), mode as rounding:
            items, _ = reference.gradients(
                trial.given.map(lambda x: rounding.of(x.detach())),
                [rounding.of(c.double()) for c in trial.fed_in],
                torch.float64,
            )
        for item in items:
            if item.tensor is not None and item.key in moved:
                change = (item.tensor - truth[item.key]).abs()
                moved[item.key] = torch.maximum(moved[item.key], change.nan_to_num(0, 0, 0))
        reach = {key: _FAR * float(x.max()) for key, x in moved.items() if x.numel()}
        if seed > 1 and errors and all(e > reach.get(key, 0.0) for key, e in errors.items()):
            break
    return moved


class Rounding(TorchDispatchMode):
    """Within ``with`` every float64 number that is computed comes out rounded, unless it overflows.

    Views are left alone, as their numbers were rounded when they were computed. So is what is
    written in place; of operations such as ``sigmoid_``, which compute new numbers there, this
    misses a rounding.
    """

    def __init__(self, dtype: torch.dtype, seed: int | None) -> None:
        """``seed`` is of the ways, up or down; without one each number goes to the nearest."""
        super().__init__()
        self.dtype, self.random = dtype, seed is not None
        self.generator = torch.Generator().manual_seed(seed or 0)
        limits = torch.finfo(dtype)
        self.eps = limits.eps
        # Half precision adds up in float32.
        self.eps_of_sums = min(self.eps, torch.finfo(torch.float32).eps)
        self.least = limits.smallest_normal * limits.eps / self.eps_of_sums

    def of(self, x: Tensor) -> Tensor:
        """What is given, each number moved by eps of its size, up or down.

        Whole numbers need no rounding, and stay: a label that is compared with 1 is a label.
        """
        if not x.is_floating_point() or not self.random:
            return x
        return torch.where(x == x.round(), x, x * self._up_or_down(x, self.eps).add_(1))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        results = result if isinstance(result, tuple | list) else (result,)
        computed = [
            (i, x)
            for i, (returned, x) in enumerate(zip(func._schema.returns, results, strict=False))
            if isinstance(x, Tensor) and x.dtype == torch.float64 and returned.alias_info is None
        ]
        if computed and func.overloadpacket not in _COPIES:
            sums = roundings(func, args, kwargs, result, self.least) if self.random else []
            logarithm = rounding_of_logarithm(func, args, result) if self.random else None
            for i, x in computed:
                if self.random:
                    x.mul_(self._up_or_down(x, self.eps).add_(1))  # a 1, too: it may be 1 − 10⁻²⁰
                    if (size := sums[i]) is not None:
                        x.add_(self._up_or_down(x, self.eps_of_sums).mul_(size))
                    if logarithm is not None:
                        x.add_(self._up_or_down(x, self.eps).mul_(logarithm))
                if self.dtype != torch.float64:
                    on_grid = x.to(self.dtype).double()
                    torch.where(on_grid.isinf(), x, on_grid, out=x)
        return result

    def _up_or_down(self, x: Tensor, by: float) -> Tensor:
        """±``by`` for each number, at random."""
        bits = torch.randint(2, x.shape, generator=self.generator, dtype=torch.float64)
        return bits.mul_(2 * by).sub_(by).to(x.device)
