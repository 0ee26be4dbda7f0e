"""Ctrl-C while a command imports what it needs, which takes seconds."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def ended_at_once(program: str, *signals: signal.Signals) -> Iterator[None]:
    """Within ``with`` nothing has begun: who sends a signal is obeyed, wherever the imports are.

    Args:
        program: whose line on stderr says so; its exit code is 130.
        signals: those that end it.
    """

    def end(number: int, frame: object) -> NoReturn:
        os.write(2, f"{program}: error: interrupted\n".encode())
        os._exit(130)

    before = {number: signal.signal(number, end) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
