"""``--device``: where a comparison or a measurement computes."""

import torch

from compare.trial.errors import ComparisonError, said


def device_named(name: str) -> torch.device:
    """The device of this name, ``"cpu"`` or ``"cuda:1"``.

    Raises:
        ComparisonError: this machine has none, or there is no such thing.
    """
    if name == "meta":
        raise ComparisonError("--device meta computes nothing: expected cpu or cuda")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ComparisonError(
            f"--device {name} is not available on this machine: {said(error).split('.')[0]}"
        ) from error
