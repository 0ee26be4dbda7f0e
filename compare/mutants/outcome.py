"""What became of a specimen, and of many, for us and under the rules of others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from compare.catalogue.specimen import Specimen
    from compare.mutants.rules import Rule


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

    @property
    def explained(self) -> bool:
        """Whether each of its gradients has one of its names or a change that makes it right."""
        said = dict(zip(self.places, zip(self.mistakes, self.changes, strict=True), strict=True))
        names = {str(mistake) for mistake in self.specimen.mistakes}
        found = [said[place] for place in self.specimen.places] if self.blamed else []
        return self.blamed and all(mistake in names or change for mistake, change in found)


def examine(
    specimen: "Specimen",
    repair: float | None = None,
    rules: "Mapping[str, Rule] | None" = None,
) -> Outcome:
    """Compare its models as anybody would, and ask the rules of others, ``RULES`` unless given."""
    from compare.comparison.pair import compare_gradients
    from compare.mutants.rules import RULES, verdicts

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
        verdicts(specimen.build(), RULES if rules is None else rules),
    )


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


def rules_table(
    outcomes: Sequence[Outcome],
    counts: dict[str, Any],
    sources: Mapping[str, str] | None = None,
    *,
    wide: bool,
) -> "Table":
    """For us and for each rule, how many it finds and accuses; its source below its name.

    Where there is room, also some of the bugs that it misses.
    """
    from compare.command import console

    planted, right = counts["planted"], counts["right"]
    numbers = (f"found of {planted}", f"accused of {right}")
    last = ["misses"] if wide else []
    table = console.table("rule", *numbers, *last, numbers=numbers)
    table.title, table.title_justify = "bugs found, and correct backwards accused", "left"
    ours = (str(counts["killed"]), str(counts["falsely_accused"]))
    console.row(table, "compare.gradients", *ours)
    for name, of in counts["rules"].items():
        missed = [o.specimen.name for o in outcomes if not o.is_right and o.rules[name]]
        shown = ", ".join(missed[:4]) + (f" and {len(missed) - 4} more" if missed[4:] else "")
        source = (sources or {}).get(name, "")
        rule = console.below(name, source) if source else name
        figures = [str(of["killed"]), str(of["falsely_accused"])]
        console.row(table, rule, *figures, *([shown] if wide else []))
    return table


def complaints(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """A line for each that was missed, blamed wrongly, or accused though it is right."""
    for o in outcomes:
        name, accused = o.specimen.name, ", ".join(f"{at} {g}" for at, g in o.places)
        if o.is_right and o.killed:
            yield f"{name}: is correct, but was accused ({accused}: {'; '.join(o.sentences)})"
        elif not o.is_right and not o.killed:
            yield f"{name}: was not found"
        elif not o.is_right and not o.blamed:
            yield (
                f"{name}: the bug is in {o.specimen.places}, but {accused or 'nothing'} was blamed"
            )


def as_json(o: Outcome) -> dict[str, Any]:
    """For machines."""
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
