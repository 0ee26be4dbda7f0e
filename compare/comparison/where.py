"""The line that is wrong and the one that is right, for people and programs."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from compare.blame.finding import Fault, Repair


def lines(fault: Fault) -> list[str]:
    """The line, and below it what makes it right and what that was tried on."""
    change, source = fault.repair, fault.source
    if change is not None:
        place = f"{shown(change.file)}:{change.line}"
        width = max(len(place), len("change to"))
        old = change.old.splitlines() or [""]
        new = change.new.splitlines() or ["(nothing)"]
        parts = [f"{place:<{width}}    {old[0]}"]
        parts += [f"{'':<{width}}    {line}" for line in old[1:]]
        parts += [f"{'change to':<{width}}    {new[0]}"]
        parts += [f"{'':<{width}}    {line}" for line in new[1:]]
        parts[-1] += f"    {verified(change)}"
        return parts
    told = [f"{shown(source.file)}:{source.line}    {source.text}"] if source else []
    return [*told, *out_of_time(fault)]


def out_of_time(fault: Fault) -> list[str]:
    """That the search for a change was not complete, if so."""
    if not fault.out_of_time:
        return []
    limit = f"{fault.out_of_time:g} s for each wrong gradient"
    return [f"the search for a fix ran out of time ({limit}); --repair SECONDS gives it more"]


def verified(change: Repair) -> str:
    """On how much it was tried, and what else would do."""
    said = f"correct on all {change.trials} inputs and incoming gradients tried"
    if change.only_these_sizes:
        said += ", at these sizes only"
    if change.alternatives:
        n = change.alternatives
        said += "; so is another change" if n == 1 else f"; so are {n} other changes"
    return said


def as_json(fault: Fault) -> dict[str, Any]:
    """``source`` and ``repair``, each null where there is none."""
    change = fault.repair
    keys = ("file", "line", "old", "new", "trials", "alternatives")
    return {
        "source": asdict(fault.source) if fault.source else None,
        "repair": {key: getattr(change, key) for key in keys} if change else None,
        "out_of_time": bool(fault.out_of_time),
    }


def shown(file: str, root: str = "") -> str:
    """Relative to a folder if it is inside; by default to the one where the command runs."""
    try:
        return str(Path(file).resolve().relative_to(root or Path.cwd()))
    except (ValueError, OSError):
        return file
