"""Entries of elementwise functions, which are all tried on the same numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import between
from compare.catalogue.values import empty, normal

# 16 of them: PyTorch's ELU treats NaN differently in the odd ones left over by a vector loop.
_EXTREMES = torch.tensor(
    [
        *(torch.nan, -torch.inf, -1e4, -30, -1, -1e-30, -0.0, 0),
        *(1e-30, 1, 20, 21, 1e4, torch.inf, torch.nan, -20),
    ],
    dtype=torch.float64,
)
_SPECIAL = (
    _EXTREMES,
    normal(6, 5).round(),
    empty(0),
    empty(0, 3),
    torch.tensor(0.5, dtype=torch.float64),
)


def elementwise(
    module: str,
    function: str | Callable[..., Any],
    options: Sequence[Mapping[str, Any]] = ({},),
    modules: Sequence[Mapping[str, Any]] = ({},),
    kinks: Sequence[float] = (),
    **others: Any,
) -> Entry:
    """The entry of an elementwise function of one tensor.

    Args:
        module, function: see ``Entry``.
        options: of the function; all of them are tried.
        modules: options of the module. Bugs are planted in the first.
        kinks: where the derivative jumps, besides the integers around 0.
        others: further fields of ``Entry``; formulas are given (g, z, a).
    """
    at_kinks = [torch.tensor(kinks, dtype=torch.float64)] if kinks else []
    return Entry(
        module,
        function,
        calls=[call(normal(4, 3), **o) for o in options],
        special=[call(z, **o) for o in options for z in (*_SPECIAL, *at_kinks)],
        modules=modules,
        **{"host": between(getattr(nn, module)(**modules[0])), **others},
    )
