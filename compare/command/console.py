"""Tables and lines for people: coloured in a terminal, plain and never cut off in a pipe.

Whatever is shown passes through here, and here names and messages of others lose what would be a
command to a terminal, or markup; see ``printable``.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from torch_models.printable import printable
from torch_models.streams import streams

#: Lines of failures in a terminal; nobody reads more of them there.
MOST = 30

#: From here on a table has room for everything; below, it stays readable by saying less.
WIDE = 120

_BAR = 20  # cells of a bar, so that what is said beside it fits into 80 columns

# Wide enough for any table of ours. A pipe has no width, and rich would assume 80.
_PIPE = 200
_ENDLESS = 10_000


def stdout() -> Console:
    """Where tables and results go; ``COLUMNS`` says how wide it is, if anybody has set it."""
    out = streams().out
    columns = os.environ.get("COLUMNS", "")
    told = int(columns) if columns.isdecimal() and int(columns) else None
    width = None if out.isatty() else told or _PIPE
    return Console(file=cast("IO[str]", out), width=width, highlight=False)


def say(console: Console, line: str, style: str = "") -> None:
    """One line without markup, broken between words in a terminal and nowhere in a pipe."""
    console.print(cell(line, style), soft_wrap=not console.is_terminal)


def say_first(console: Console, lines: Sequence[str], where: str, style: str = "") -> None:
    """Say the first of the lines, ``MOST`` as they are broken, how many more there are, and where.

    The first one is said however long it is.
    """
    said = rows = 0
    for line in lines:
        rows += len(cell(line).wrap(console, console.width)) if console.is_terminal else 1
        if rows > MOST and said:
            break
        say(console, line, style)
        said += 1
    if said < len(lines):
        say(console, f"… and {len(lines) - said} more: {where}", style)


def table(*columns: str, numbers: Iterable[str] = ()) -> Table:
    """An empty table; the columns that are ``numbers`` stand at the right and are never broken.

    What does not fit into the others goes on in the next line, and nothing is cut off.
    """
    view = Table()
    for column in columns:
        if column in numbers:
            view.add_column(column, justify="right", no_wrap=True)
        else:
            view.add_column(column, overflow="fold")
    return view


def natural_width(view: Table, console: Console) -> int:
    """Columns of the terminal that the table would fill if nothing in it were broken."""
    return Measurement.get(console, console.options.update_width(_ENDLESS), view).maximum


def cell(text: str, style: str = "") -> Text:
    """Text for a table or a line: no markup, nothing that does not print."""
    return Text(printable(text), style=style)


class Name:
    """The name of a file or of a layer, which breaks after ``/``, ``_`` and ``.``, but for .py."""

    def __init__(self, name: str, style: str = "") -> None:
        self.name, self.style = printable(name), style

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[Text]:
        yield Text("\n".join(_broken(self.name, options.max_width)), style=self.style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, Text(self.name))


def below(first: str, second: str) -> Group:
    """Two texts in one cell: a sentence and, dim, a file's name or the like."""
    return Group(cell(first), Name(second, "dim"))


def _broken(name: str, width: int) -> list[str]:
    """The name in lines that are no wider, unless a part of it is."""
    lines = [""]
    for part in re.split(r"(?<=[/_ ])|(?<=\.)(?!py\b)", name):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def row(view: Table, *cells: str | RenderableType) -> None:
    """Add a row of texts."""
    view.add_row(*(cell(x) if isinstance(x, str) else x for x in cells))


def plain(line: str) -> None:
    """One line for a program that reads along."""
    streams().out.write(f"{printable(line)}\n")


@dataclass(frozen=True)
class Bar:
    """A bar that shows how far something is; called, it moves on by one step."""

    shown: Progress
    task: TaskID

    def __call__(self) -> None:
        self.shown.advance(self.task)

    def says(self, what: str) -> None:
        """What is being done, from now on."""
        self.shown.update(self.task, description=printable(what))


@contextmanager
def progress(console: Console, what: str, steps: int) -> Iterator[Bar]:
    """A bar with the time that is left, in a terminal only; nothing of it remains."""
    bar = Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=_BAR),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        yield Bar(bar, bar.add_task(what, total=steps))
