"""Silence what Lightning says to everybody, and let through what concerns this run."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

#: Start of a warning → that it tells a user nothing to do about.
NOT_THE_USERS = (
    # Lightning 2.6 with torch ≥ 2.13: its own code calls what torch deprecates.
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    # A resumed run goes on in its own folder, which is what was asked for.
    r"Checkpoint directory .* exists and is not empty",
    # Refused by train.py in words of its own: another precision is not what was asked for.
    r"You passed `Trainer\(accelerator='cpu', precision='16-mixed'\)`",
)


@contextmanager
def quietly() -> Iterator[None]:
    """Within it, Lightning's notes and tips are not shown; warnings and errors are."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    # Which of several processes died, and that the others were ended for it, comes as a note.
    loggers.append(logging.getLogger("lightning.fabric.strategies.launchers.subprocess_script"))
    levels = [logger.level for logger in loggers]
    before = threading.excepthook

    def in_thread(failure: threading.ExceptHookArgs) -> None:
        """TensorBoard's writer raises what it cannot write again, where the training notices."""
        if type(failure.thread).__name__ != "_AsyncWriterThread":
            before(failure)

    threading.excepthook = in_thread
    with warnings.catch_warnings():
        for message in NOT_THE_USERS:
            warnings.filterwarnings("ignore", message=message)
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        loggers[-1].setLevel(logging.INFO)
        try:
            yield
        finally:
            threading.excepthook = before
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
