"""What several processes that train together need beside what Lightning does for them."""

import os

import torch.distributed
from lightning.pytorch.utilities import rank_zero_only


def is_first() -> bool:
    """Whether this process speaks for all: what every process would say, it says once."""
    return getattr(rank_zero_only, "rank", 0) == 0


def started() -> int | None:
    """How many processes torchrun, or Lightning, says that it has started, if either has."""
    size = os.environ.get("WORLD_SIZE", "")
    return int(size) if size.isdigit() else None


def part() -> None:
    """Leave the others when all are done: gloo aborts a process whose partner is gone before it."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def lost_another(error: Exception) -> bool:
    """Whether what failed is the exchange with a process that is no more."""
    if not torch.distributed.is_available():
        return False
    # gloo, the backend on the CPU, raises what is no more than a RuntimeError.
    return isinstance(error, torch.distributed.DistError) or (
        isinstance(error, RuntimeError) and "gloo" in str(error).lower()
    )
