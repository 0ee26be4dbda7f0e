"""What somebody's code switches on while it is imported is off again when it is judged."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def as_it_was() -> Iterator[None]:
    """Working directory, gradients, autocast, default dtype and device, filters of warnings.

    They would change what the comparison itself computes, or where its files lie. What only slows a
    model down or makes it stricter stays: threads, deterministic algorithms, anomaly detection.
    """
    folder, stdout = os.getcwd(), sys.stdout
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    kinds = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    autocast = [torch.is_autocast_enabled(kind) for kind in kinds]
    with warnings.catch_warnings(), torch.inference_mode(False), torch.enable_grad():
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.chdir(folder)
            sys.stdout = stdout
            torch.set_default_dtype(dtype)
            if torch.get_default_device() != device:
                torch.set_default_device(None if device.type == "cpu" else device)
            for kind, on in zip(kinds, autocast, strict=True):
                torch.set_autocast_enabled(kind, on)
