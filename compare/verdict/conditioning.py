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
from compare.verdict.sums import logarithm_of_softmax, roundings, with_logarithm_off

_RUNS = 5  # one to the nearest, four at random
_FAR = 1e3  # times as far as the truth moves

# What gives out the numbers that it is given, or none that are computed.
_COPIES = {
    torch.ops.aten._to_copy,
    torch.ops.aten._unsafe_view,
    torch.ops.aten.cat,
    torch.ops.aten.clone,
    torch.ops.aten.constant_pad_nd,
    torch.ops.aten.copy,
    torch.ops.aten.fill,
    torch.ops.aten.full_like,
    torch.ops.aten.gather,
    torch.ops.aten.index,
    torch.ops.aten.index_copy,
    torch.ops.aten.index_fill,
    torch.ops.aten.index_select,
    torch.ops.aten.masked_fill,
    torch.ops.aten.masked_scatter,
    torch.ops.aten.ones_like,
    torch.ops.aten.scatter,
    torch.ops.aten.stack,
    torch.ops.aten.where,
    torch.ops.aten.zero,
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
        rounding = Rounding(dtype, None if seed == 0 else seed)
        given = trial.given.map(rounding.of)
        fed_in = [rounding.of(c.double()) for c in trial.fed_in]
        # Attention as what it is made of: of a fused kernel nobody sees the scores.
        with sdpa_kernel(SDPBackend.MATH), rounding:
            items, _ = reference.gradients(given, fed_in, torch.float64)
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

    Views are left alone, as their numbers were rounded when they were computed. So is what an
    operation in place leaves as it was.
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
        x = x.detach()
        if not x.is_floating_point() or not self.random:
            return x
        return torch.where(x == x.round(), x, self._on_grid(x * self._by(x)))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        functional = _functional(func)
        if functional is None or not isinstance(args[0], Tensor):
            result = func(*args, **kwargs)
            self._round(func, args, kwargs, result)
            return result
        x = args[0]  # what it writes over: the numbers are computed beside it, rounded, and written
        result = functional(*args, **kwargs)
        as_before = result == x
        self._round(functional, args, kwargs, result)
        return x.copy_(torch.where(as_before, x, result))

    def _round(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        """What was computed, in place."""
        if func.overloadpacket in _COPIES:
            return
        results = result if isinstance(result, tuple | list) else (result,)
        computed = [
            (i, x)
            for i, (returned, x) in enumerate(zip(func._schema.returns, results, strict=False))
            if isinstance(x, Tensor) and x.dtype == torch.float64 and returned.alias_info is None
        ]
        if not computed:
            return
        sums = roundings(func, args, kwargs, result, self.least) if self.random else []
        logarithm = logarithm_of_softmax(func, args) if self.random else None
        for i, x in computed:
            if self.random:
                x.mul_(self._by(x))  # a 1, too: it may be 1 − 10⁻²⁰
                if (size := sums[i]) is not None:
                    x.add_(self._up_or_down(x, self.eps_of_sums).mul_(size))
                if logarithm is not None:
                    off = self._up_or_down(logarithm, self.eps).mul_(logarithm)
                    with_logarithm_off(x, off, func)
            x.copy_(self._on_grid(x))

    def _by(self, x: Tensor) -> Tensor:
        """1 ± eps for each number, at random."""
        return self._up_or_down(x, self.eps).add_(1)

    def _up_or_down(self, x: Tensor, by: float) -> Tensor:
        """±``by`` for each number, at random."""
        bits = torch.randint(2, x.shape, generator=self.generator, dtype=torch.float64)
        return bits.mul_(2 * by).sub_(by).to(x.device)

    def _on_grid(self, x: Tensor) -> Tensor:
        """Each float64 number as the dtype holds it, unless it overflows."""
        if self.dtype == torch.float64:
            return x
        on_grid = x.to(self.dtype).double()
        return torch.where(on_grid.isinf(), x, on_grid)


def _functional(func: Any) -> Any:
    """The operation that computes elsewhere what this one computes in place, if it does.

    Random numbers are none that are rounded. None of an operation that moves no numbers, as ``t_``.
    """
    name = func.overloadpacket.__name__
    in_place = func.namespace == "aten" and name.endswith("_")
    beside = getattr(torch.ops.aten, name[:-1], None) if in_place else None
    if beside is None or {torch.Tag.inplace_view, torch.Tag.nondeterministic_seeded} & {*func.tags}:
        return None
    return getattr(beside, func._overloadname, None)
