"""Tables and lines for people: coloured in a terminal, plain and never cut off in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

# Wide enough for any table of ours. A pipe has no width, and rich would assume 80.
_PIPE = 200


def stdout() -> Console:
    """Where tables and results go."""
    return Console(width=None if sys.stdout.isatty() else _PIPE, highlight=False)


def say(console: Console, line: str, style: str = "") -> None:
    """One line without markup, broken between words in a terminal and nowhere in a pipe."""
    console.print(Text(line, style=style), soft_wrap=not console.is_terminal)


@contextmanager
def progress(console: Console, what: str, steps: int) -> Iterator[Callable[[], None]]:
    """A bar with the time that is left, in a terminal only; gives the function that moves it."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=steps)
        yield lambda: bar.advance(task)
