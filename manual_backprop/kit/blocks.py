"""in_blocks: a formula of many operations, a few rows at a time.

Each operation of PyTorch reads and writes whole tensors. Where these are larger than the cache, a
formula of ten operations waits for the memory ten times, and its temporaries are new pages each
time. A block of rows stays in the cache from the first operation to the last.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manual_backprop.kit.plain import plain

#: Elements of the largest tensor of a block: 1 MiB in float32.
BLOCK = 2**18


def in_blocks(function: Callable[..., Any], *rows: Tensor, width: int | None = None) -> Any:
    """``function(*rows)``, computed in blocks of rows where nobody traces or differentiates it.

    Args:
        function: from tensors of n rows to a tensor of n rows, or a tuple of such, each of whose
            rows depends only on the same row of the arguments. A sum over the rows is returned as
            one row; the result then has one for each block, and the caller adds them up.
        rows: tensors of the same length n.
        width: elements that a row has in the largest tensor; as in the first argument if None.
    """
    n = rows[0].shape[0] if rows[0].dim() else 1
    if width is None:
        width = rows[0].numel() // max(n, 1)
    at_once = max(1, BLOCK // max(width, 1))
    if n <= at_once or not plain(*rows):
        return function(*rows)
    blocks = [function(*block) for block in zip(*(t.split(at_once) for t in rows), strict=True)]
    if isinstance(blocks[0], Tensor):
        return torch.cat(blocks)
    return tuple(None if of[0] is None else torch.cat(of) for of in zip(*blocks, strict=True))
