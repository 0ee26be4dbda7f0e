"""``python -m compare.mutants --edits N``: slips drawn at random, and what becomes of each.

A slip that gives the right gradients is none, and one whose backward raises is told apart: a
message names it. Of the others each should be found, be blamed on its layer, and have a change that
makes it right, also on fresh numbers and sizes, in the statement that the slip is in.
"""

import ast
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from compare.command import console
from compare.command.writing import write_json
from compare.comparison.pair import compare_gradients
from compare.diagnosis.mistake import Mistake
from compare.mutants.drawn import Drawn, draw, is_right, load, place, question

#: The shares of those that are wrong in numbers that must be blamed rightly, and have a change.
BLAMED, REPAIRED = 0.95, 0.75
_FRESH, _FRESHER = (11, 12, 13), (21, 22, 23, 24)  # seeds


@dataclass(frozen=True)
class DrawnOutcome:
    """What became of one slip."""

    name: str
    wrong: bool
    raised: bool  # so that a message names it
    found: bool
    blamed: bool
    repaired: bool  # each wrong gradient has a change
    right_afterwards: bool  # with these changes, on fresh numbers and sizes
    right_statement: bool
    original: bool  # the changes give back the text as it was


def run(count: int, seed: int, path: Path | None, seconds: float | None = None) -> bool:
    """Draw, examine and show them; whether all are found, and enough changes found and right."""
    out = console.stdout()
    every = draw(count, seed)
    outcomes = []
    with (
        tempfile.TemporaryDirectory() as folder,
        console.progress(out, "errors", len(every)) as advance,
    ):
        for i, drawn in enumerate(every):
            outcomes.append(examine(drawn, Path(folder), i, seconds))
            advance()
    counts = tally(outcomes)
    looked = seconds != 0  # for changes
    well = (
        counts["found"] == counts["wrong"] > 0
        and counts["blamed"] >= BLAMED * counts["wrong"]
        and counts["wrong_changes"] == 0
        and (counts["repaired"] >= REPAIRED * counts["wrong"] or not looked)
    )
    for o in outcomes:
        if o.wrong and not o.raised and not (o.found and o.blamed and (o.repaired or not looked)):
            missed = "no change" if o.blamed else "not blamed" if o.found else "not found"
            console.say(out, f"{o.name}: {missed}")
    console.say(out, _summary(counts, well), "green" if well else "bold red")
    if path:
        write_json(path, {**counts, "seed": seed, "slips": [asdict(o) for o in outcomes]})
    return well


def examine(drawn: Drawn, folder: Path, number: int, seconds: float | None = None) -> DrawnOutcome:
    """Compare the layer with the slip in it as anybody would, and try the changes on its file."""
    layer = load(drawn, drawn.mutated, folder, f"slip_{number}")
    wrong = not is_right(drawn, layer, _FRESH)
    asked = question(drawn, layer)
    report = compare_gradients(asked.manual, asked.reference, *asked.inputs, repair=seconds)
    accused = report.originators
    faults = [fault for at in accused for fault in at.faults]
    changes = [fault.repair for fault in faults if fault.repair]
    text = drawn.mutated
    for start, end, new in sorted({e for c in changes for e in c.edits}, reverse=True):
        text = text[:start] + new.encode() + text[end:]
    repaired = bool(faults) and len(changes) == len(faults)
    slip = drawn.slip
    return DrawnOutcome(
        drawn.name,
        wrong,
        any(f.diagnosis.mistake is Mistake.RAISED for f in faults),
        not report.passed,
        {at.name for at in accused} == {place(drawn)},
        repaired,
        repaired and is_right(drawn, load(drawn, text, folder, f"changed_{number}"), _FRESHER),
        repaired
        and all(
            c.line <= slip.last_line and c.line + c.old.count("\n") >= slip.line for c in changes
        ),
        repaired and ast.dump(ast.parse(text)) == ast.dump(ast.parse(drawn.source)),
    )


def tally(outcomes: Sequence[DrawnOutcome]) -> dict[str, Any]:
    """How many; of what raises its changes alone."""
    wrong = [o for o in outcomes if o.wrong and not o.raised]
    raised = [o for o in outcomes if o.wrong and o.raised]
    changed = [o for o in wrong if o.repaired]
    return {
        "drawn": len(outcomes),
        "right": sum(not o.wrong for o in outcomes),
        "falsely_accused": sum(o.found for o in outcomes if not o.wrong),
        "wrong": len(wrong),
        "found": sum(o.found for o in wrong),
        "blamed": sum(o.blamed for o in wrong),
        "repaired": len(changed),
        "wrong_changes": sum(o.repaired and not o.right_afterwards for o in [*wrong, *raised]),
        "right_statement": sum(o.right_statement for o in changed),
        "original": sum(o.original for o in changed),
        "raised": len(raised),
        "raised_repaired": sum(o.repaired for o in raised),
    }


def _summary(c: dict[str, Any], well: bool) -> str:
    return (
        f"{'passed' if well else 'FAILED'}: of {c['drawn']} errors {c['right']} change nothing; of "
        f"{c['wrong']} that give wrong numbers {c['found']} found, {c['blamed']} blamed on the "
        f"right layer, {c['repaired']} with a verified change ({c['right_statement']} in the right "
        f"statement, {c['original']} restore the original text); of {c['raised']} that raise "
        f"{c['raised_repaired']} with a change; {c['wrong_changes']} changes wrong on fresh "
        "numbers and sizes"
    )
