"""``python -m compare.mutants --museum``: what becomes of bugs that were really shipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compare.mutants.outcome import Outcome, as_json, complaints, examine, rules_table, tally

if TYPE_CHECKING:
    from rich.table import Table

    from compare.mutants.museum.exhibit import Exhibit

#: The share whose wrong gradients must have a verified change or a right name.
EXPLAINED = 25 / 30


@dataclass(frozen=True)
class Visit:
    """An exhibit, what became of it as it was shipped, and as it was mended."""

    exhibit: "Exhibit"
    shipped: Outcome
    mended: Outcome


def run(path: Path | None, repair: float | None) -> bool:
    """Examine and show them all; whether all are found, blamed and enough of them explained."""
    from compare.command import console
    from compare.command.writing import write_json
    from compare.mutants.museum import exhibits
    from compare.mutants.museum.published import PUBLISHED

    out = console.stdout()
    rules = {name: published.rule for name, published in PUBLISHED.items()}
    sources = {name: published.source for name, published in PUBLISHED.items()}
    every = exhibits()
    visits = []
    with console.progress(out, "exhibits", len(every)) as advance:
        for exhibit in every:
            shipped, mended = (examine(s, repair, rules) for s in exhibit.specimens())
            visits.append(Visit(exhibit, shipped, mended))
            advance()
    outcomes = [o for visit in visits for o in (visit.shipped, visit.mended)]
    counts = tally(outcomes)
    counts["projects"] = len({exhibit.project for exhibit in every})
    counts["explained"] = sum(v.shipped.explained for v in visits)
    well = is_well(counts, changes=repair != 0)
    out.print(_table(visits, wide=out.width >= console.WIDE))
    out.print(rules_table(outcomes, counts, sources, wide=out.width >= console.WIDE))
    console.say_first(out, list(complaints(outcomes)), "--json FILE lists them all", "bold red")
    console.say(out, _summary(counts, well), "green" if well else "bold red")
    if path:
        found = [
            {"project": v.exhibit.project, "source": v.exhibit.source, "bug": v.exhibit.bug}
            | {"shipped": as_json(v.shipped), "mended": as_json(v.mended)}
            for v in visits
        ]
        write_json(path, {**counts, "sources_of_rules": sources, "exhibits": found})
    return well


def is_well(counts: dict[str, Any], *, changes: bool = True) -> bool:
    """All found and blamed, nothing accused that was mended, and enough of them explained.

    The last is not asked where no ``changes`` were looked for.
    """
    planted = counts["planted"]
    return (
        planted > 0
        and counts["killed"] == counts["blamed"] == planted
        and (not changes or counts["explained"] >= EXPLAINED * planted)
        and counts["falsely_accused"] == 0
    )


def _table(visits: Sequence[Visit], *, wide: bool) -> "Table":
    from compare.command import console

    more = ["what was said"] if wide else []
    view = console.table("project", "bug", "found", "blamed", "explained", *more)
    for visit in visits:
        exhibit, became = visit.exhibit, visit.shipped
        project = exhibit.project if wide else exhibit.name.split()[0]
        marks = ["✓" if x else "✗" for x in (became.killed, became.blamed)]
        sentences = ["; ".join(became.sentences)] if wide else []
        where = console.below(project, exhibit.thread)
        console.row(view, where, exhibit.bug, *marks, _said(became), *sentences)
    return view


def _said(became: Outcome) -> str:
    said = [
        word for word, true in (("name", became.diagnosed), ("change", became.repaired)) if true
    ]
    return ", ".join(said) or "–"


def _summary(counts: dict[str, Any], well: bool) -> str:
    return (
        f"{'passed' if well else 'FAILED'}: of {counts['planted']} bugs that {counts['projects']} "
        f"projects shipped {counts['killed']} found, {counts['blamed']} blamed on the right "
        f"gradients, {counts['explained']} with a verified change or a right name "
        f"({counts['repaired']} with a change); of {counts['right']} fixed ones "
        f"{counts['falsely_accused']} accused"
    )
