"""Ctrl-C and SIGTERM between two batches.

Python raises KeyboardInterrupt wherever it happens to be: in the middle of a checkpoint, or where
TensorBoard's writer has taken a lock that nobody will give back, and then the training hangs. A
batch takes milliseconds; whoever cannot wait for its end asks a second time.
"""

import signal
from types import FrameType
from typing import Any

import lightning as L


class Interrupts(L.Callback):
    """Within ``with``, what asks the process to end raises KeyboardInterrupt after a batch."""

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)

    def _alone(self, *_: Any, **__: Any) -> None:
        """Lightning's own handler of SIGTERM would talk to the other processes, and might wait."""
        signal.signal(signal.SIGTERM, self._ask)

    on_train_start = on_test_start = _alone

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def _after_batch(self, *_: Any, **__: Any) -> None:
        if self._asked:
            raise KeyboardInterrupt

    on_train_batch_end = on_validation_batch_end = on_test_batch_end = _after_batch
