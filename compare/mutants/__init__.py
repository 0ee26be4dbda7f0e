"""``python -m compare.mutants``: the checker is checked, on bugs planted on purpose.

Each planted bug must be found, blamed on the layer and gradient that it is in, and called what it
is; each right backward that is written otherwise must not be accused. Beside it the same under the
rules that others use.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from compare.catalogue import specimens
from compare.command.argument_types import new_file, seconds
from compare.command.exit import NOT_DONE, exit_code
from torch_models.arguments import OneLineParser, integer

if TYPE_CHECKING:
    from compare.catalogue.specimen import Specimen

#: The share of bugs whose name must be right; all must be found and blamed, and nobody accused.
DIAGNOSED = 0.93


@dataclass(frozen=True)
class Outcome:
    """What became of one specimen."""

    specimen: "Specimen"
    passed: bool
    places: tuple[tuple[str, str], ...]  # layers and gradients that were accused
    mistakes: tuple[str, ...]  # what was said of them
    sentences: tuple[str, ...]
    changes: tuple[str, ...]  # of the source, for each of them: the new lines, or nothing
    rules: dict[str, bool] = field(default_factory=dict)  # whether each of them lets it pass

    @property
    def is_right(self) -> bool:
        """Whether nothing was planted."""
        return self.specimen.is_right

    @property
    def killed(self) -> bool:
        """Whether it was found to be wrong."""
        return not self.passed

    @property
    def blamed(self) -> bool:
        """Whether the layers accused are those that it is in, and its gradients among theirs."""
        planted, accused = self.specimen.places, self.places
        layers = {layer for layer, _ in planted} == {layer for layer, _ in accused}
        return self.killed and layers and set(planted) <= set(accused)

    @property
    def diagnosed(self) -> bool:
        """Whether each of its gradients was called by one of its names."""
        from compare.diagnosis.mistake import Mistake

        said = dict(zip(self.places, self.mistakes, strict=True))
        names = {str(mistake) for mistake in self.specimen.mistakes}
        by_change = str(Mistake.IN_THE_SOURCE)
        return self.blamed and all(said[p] in names | {by_change} for p in self.specimen.places)

    @property
    def repaired(self) -> bool:
        """Whether each of its gradients has a change that makes it right."""
        changed = dict(zip(self.places, self.changes, strict=True))
        return self.blamed and all(changed[place] for place in self.specimen.places)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 as it must be, 1 not so, 2 bad input)."""
    parser = mutants_parser()
    options = parser.parse_args(arguments)
    # From here on it takes seconds to import; --help and wrong options have been answered.
    return exit_code(parser.prog, lambda: _run(options))


def mutants_parser() -> OneLineParser:
    """The parser of ``python -m compare.mutants``."""
    parser = OneLineParser(
        prog="python -m compare.mutants",
        description="Check the checker: plant bugs in hand-written backwards of every kind and see "
        "that each is found, blamed on its layer and called what it is, and that right backwards "
        "written otherwise are not accused; beside it, what the rules of others make of them.",
        epilog="Exit code 0: all found and blamed, 93 of 100 diagnosed, nobody accused; 1: not "
        f"so; {NOT_DONE}",
    )
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write the outcome there")
    parser.add_argument(
        "--edits",
        type=integer(1),
        metavar="N",
        help="instead, plant N slips of the pen drawn at random from the sources of the layers: an "
        "operator, a factor, an argument, a statement …",
    )
    parser.add_argument(
        "--repair",
        type=seconds,
        metavar="off|SECONDS",
        help="how long to look, for each wrong gradient, for a change (default: 10)",
    )
    parser.add_argument(
        "--seed", type=integer(0), default=0, help="of what is drawn (default: %(default)s)"
    )
    return parser


def _run(options: argparse.Namespace) -> bool:
    from compare.command import console
    from compare.command.writing import write_json

    out = console.stdout()
    if options.edits:
        from compare.mutants import drawn_outcomes

        return drawn_outcomes.run(options.edits, options.seed, options.json, options.repair)
    found = specimens()
    with console.progress(out, "specimens", len(found)) as advance:
        outcomes = []
        for specimen in found:
            outcomes.append(examine(specimen, options.repair))
            advance()
    counts = tally(outcomes)
    _show(out, outcomes, counts)
    if options.json:
        write_json(options.json, {**counts, "mutants": [_as_json(o) for o in outcomes]})
    return is_well(counts)


def examine(specimen: "Specimen", repair: float | None = None) -> Outcome:
    """Compare its models as anybody would, and ask the rules of others."""
    import torch

    from compare.comparison.pair import compare_gradients
    from compare.mutants.rules import verdicts

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the tensors are small: threads would only wait for each other
    try:
        question = specimen.build()
        report = compare_gradients(
            question.manual,
            question.reference,
            *question.inputs,
            loss=question.loss,
            targets=question.targets,
            repair=repair,
        )
        faults = [(layer.name, fault) for layer in report.originators for fault in layer.faults]
        return Outcome(
            specimen,
            report.passed,
            tuple((layer, fault.gradient) for layer, fault in faults),
            tuple(str(fault.diagnosis.mistake) for _, fault in faults),
            tuple(fault.diagnosis.sentence for _, fault in faults),
            tuple(fault.repair.new if fault.repair else "" for _, fault in faults),
            verdicts(specimen.build()),
        )
    finally:
        torch.set_num_threads(threads)


def tally(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """How many, for us and for each rule."""
    bugs = [o for o in outcomes if not o.is_right]
    right = [o for o in outcomes if o.is_right]
    rules = {
        name: {
            "killed": sum(not o.rules[name] for o in bugs),
            "falsely_accused": sum(not o.rules[name] for o in right),
        }
        for name in (outcomes[0].rules if outcomes else {})
    }
    return {
        "planted": len(bugs),
        "killed": sum(o.killed for o in bugs),
        "blamed": sum(o.blamed for o in bugs),
        "diagnosed": sum(o.diagnosed for o in bugs),
        "repaired": sum(o.repaired for o in bugs),
        "right": len(right),
        "falsely_accused": sum(o.killed for o in right),
        "rules": rules,
    }


def is_well(counts: dict[str, Any]) -> bool:
    """All found and blamed, 93 of 100 diagnosed, nobody accused; and there were some."""
    planted = counts["planted"]
    return (
        planted > 0
        and counts["killed"] == counts["blamed"] == planted
        and counts["diagnosed"] >= DIAGNOSED * planted
        and counts["falsely_accused"] == 0
    )


def _show(out: Any, outcomes: Sequence[Outcome], counts: dict[str, Any]) -> None:
    from compare.command import console

    said = ["what was said"] if out.width >= console.WIDE else []
    view = console.table("planted", "found", "blamed", "diagnosed", "repaired", *said)
    for o in outcomes:
        if not o.is_right:
            became = (o.killed, o.blamed, o.diagnosed, o.repaired)
            marks = ["✓" if x else "✗" for x in became]
            console.row(view, o.specimen.name, *marks, *("; ".join(o.sentences) for _ in said))
    out.print(view)
    planted, right = counts["planted"], counts["right"]
    numbers = (f"bugs found of {planted}", f"right ones accused of {right}")
    matrix = console.table("rule", *numbers, "finds everything but", numbers=numbers)
    ours = (str(counts["killed"]), str(counts["falsely_accused"]))
    console.row(matrix, "compare.gradients", *ours, "")
    for name, of in counts["rules"].items():
        missed = [o.specimen.name for o in outcomes if not o.is_right and o.rules[name]]
        shown = ", ".join(missed[:4]) + (f" and {len(missed) - 4} more" if missed[4:] else "")
        console.row(matrix, name, str(of["killed"]), str(of["falsely_accused"]), shown)
    out.print(matrix)
    complaints = list(_complaints(outcomes))
    console.say_first(out, complaints, "--json FILE has them all", "bold red")
    word = "passed" if is_well(counts) else "FAILED"
    summary = (
        f"{word}: of {planted} planted bugs {counts['killed']} found, {counts['blamed']} blamed on "
        f"the right layer, {counts['diagnosed']} diagnosed, {counts['repaired']} with a verified "
        f"change; of {right} right backwards {counts['falsely_accused']} accused"
    )
    console.say(out, summary, "green" if is_well(counts) else "bold red")


def _complaints(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for o in outcomes:
        name, accused = o.specimen.name, ", ".join(f"{at} {g}" for at, g in o.places)
        if o.is_right and o.killed:
            yield f"{name}: is right and was accused ({accused}: {'; '.join(o.sentences)})"
        elif not o.is_right and not o.killed:
            yield f"{name}: was not found"
        elif not o.is_right and not o.blamed:
            yield f"{name}: is in {o.specimen.places}, and {accused or 'nothing'} was blamed"


def _as_json(o: Outcome) -> dict[str, Any]:
    return {
        "name": o.specimen.name,
        "places": [{"layer": layer, "gradient": g} for layer, g in o.specimen.places],
        "mistakes": sorted(map(str, o.specimen.mistakes)),
        "killed": o.killed,
        "blamed": o.blamed,
        "diagnosed": o.diagnosed,
        "repaired": o.repaired,
        "found": [
            {"layer": layer, "gradient": g, "mistake": mistake, "diagnosis": said, "change": change}
            for (layer, g), mistake, said, change in zip(
                o.places, o.mistakes, o.sentences, o.changes, strict=True
            )
        ],
        "rules": o.rules,
    }
