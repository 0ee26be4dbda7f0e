"""The changes of a report as a unified diff, for ``git apply`` or ``patch -p1``."""

import difflib
import linecache
import re
from collections.abc import Sequence
from pathlib import Path

from compare.blame.finding import JudgedLayer, Repair

# The end of each line of a file, none of the last one where there is none.
_END = re.compile(rb"(?<=[^\r\n])$(?!\n)|\r\n|\r|\n")


def unified(layers: Sequence[JudgedLayer]) -> str:
    """All changes at once; of two that touch the same text the first. Nothing without changes."""
    changes: dict[str, list[Repair]] = {}
    for repair in (fault.repair for layer in layers for fault in layer.faults):
        if repair is not None and not _overlaps(repair, changes.get(repair.file, [])):
            changes.setdefault(repair.file, []).append(repair)
    return "".join(_diff(file, repairs) for file, repairs in changes.items())


def _overlaps(repair: Repair, others: Sequence[Repair]) -> bool:
    taken = [edit for other in others for edit in other.edits]
    return any(
        edit in taken or any(edit[0] < end and start < edit[1] for start, end, _ in taken)
        for edit in repair.edits
    )


def _diff(file: str, repairs: Sequence[Repair]) -> str:
    source = "".join(linecache.getlines(file)).encode()
    changed = source
    for start, end, text in sorted((e for r in repairs for e in r.edits), reverse=True):
        changed = changed[:start] + text.encode() + changed[end:]
    name = _name(file)
    before, after = _as_on_disk(source.decode(), changed.decode(), file)
    lines = difflib.unified_diff(before, after, f"a/{name}", f"b/{name}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _as_on_disk(source: str, changed: str, file: str) -> tuple[list[str], list[str]]:
    """The lines of both with the ends that the file has: Python reads each as a line feed.

    A line that is changed or put in ends as the one in its place did.
    """
    before, after = (text.removesuffix("\n").split("\n") for text in (source, changed))
    try:
        ends = [end.decode() for end in _END.findall(Path(file).read_bytes())]
    except OSError:  # a cell of a notebook
        ends = []
    ends += ["\n"] * (len(before) - len(ends))
    made = []
    same = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for _, first, last, begin, end in same.get_opcodes():
        for j in range(begin, end):
            made.append(after[j] + ends[max(0, min(first + j - begin, last - 1))])
    return [line + end for line, end in zip(before, ends, strict=False)], made


def _name(file: str) -> str:
    """Relative to where the command runs, as git has it."""
    path = Path(file).resolve()
    return (
        path.relative_to(Path.cwd()).as_posix()
        if path.is_relative_to(Path.cwd())
        else path.as_posix().lstrip("/")
    )
