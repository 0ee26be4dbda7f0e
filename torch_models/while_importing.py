"""While a command imports what it needs, which takes seconds: a line that says so, and Ctrl-C."""

import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from torch_models.streams import streams

#: To the start of the line, and what is on it erased.
ERASE = "\r\x1b[K"

#: Starts of PyTorch's warnings that there is no GPU, or no NumPy, to a user who asked for neither.
UNASKED = (
    "CUDA initialization",
    "Can't initialize NVML",
    "Can't initialize amdsmi",
    "Failed to initialize NumPy",
    "No CUDA runtime is found",  # where the toolkit is installed; logged when something is compiled
)
_LOGS_THEM = "torch.utils.cpp_extension"


@contextmanager
def ended_at_once(
    program: str, *signals: signal.Signals, loading: str = "PyTorch"
) -> Iterator[None]:
    """Within ``with`` nothing has begun: who sends a signal is obeyed, wherever the imports are.

    In a terminal a line says what one waits for. It is gone before anything else is written.

    Args:
        program: whose line on stderr says so; its exit code is 130.
        signals: those that end it.
        loading: what takes so long.
    """

    def end(number: int, frame: object) -> NoReturn:
        os.write(2, f"{ERASE if shown else ''}{program}: error: interrupted\n".encode())
        os._exit(130)

    for message in UNASKED:
        warnings.filterwarnings("ignore", message=message)
    logging.getLogger(_LOGS_THEM).addFilter(_is_asked_for)
    err = streams().err
    shown = "torch" not in sys.modules and err.isatty()
    before = {number: signal.signal(number, end) for number in signals}
    if shown:
        err.write(f"loading {loading} …")
    try:
        yield
    finally:
        if shown:
            err.write(ERASE)
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_asked_for(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(UNASKED)
