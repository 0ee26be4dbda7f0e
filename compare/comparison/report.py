"""What a comparison found, for programs and in plain text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compare.blame.finding import CLEAN, INHERITED, ORIGINATES, JudgedLayer
from compare.comparison import where
from compare.comparison.entries import check, judged_layer, less_accurate_tensor, tensor
from compare.comparison.told import (
    accuse,
    culprit,
    describe,
    incoming,
    on_what,
    tell,
    tell_less_accurate,
)
from compare.comparison.words import on
from compare.verdict.judge import (
    BEHIND_SURROGATE,
    BUG,
    CLOSER,
    EXACT,
    LESS_ACCURATE,
    NO_TRUTH,
    ROUNDING,
    SUBGRADIENT,
    Row,
)
from torch_models.printable import printable

if TYPE_CHECKING:
    from compare.checks.check import Check

NOTHING_COMPARED = "nothing compared"
#: Layers that one line names.
_ACCUSED = 3
_IN_WORDS = {
    EXACT: "bit-for-bit identical",
    ROUNDING: "equal up to rounding",
    CLOSER: "closer to the truth than the reference",
    SUBGRADIENT: "another valid subgradient",
    BEHIND_SURROGATE: "behind a surrogate",
    LESS_ACCURATE: "less accurate than the reference",
    NO_TRUTH: "without a reference value (NaN)",
    BUG: "wrong",
}


@dataclass(frozen=True)
class Asked:
    """A kind of input: the incoming gradients it was asked under, or why it was left out."""

    kind: str
    cotangents: tuple[str, ...] = ()
    left_out: str = ""

    def __str__(self) -> str:
        if self.left_out:
            return f"not tried on {on(self.kind)}: {self.left_out}"
        return f"tried on {on(self.kind)} with {incoming(self.cotangents)}"


@dataclass(frozen=True)
class Report:
    """The result of a comparison: a row for each tensor, and a verdict for each layer.

    ``trials`` has one list of rows, in backward order, for each input and incoming gradient tried.
    ``rows`` has one row for each tensor: the first that disagrees, or that of the first trial.
    ``passed`` is the result, ``summary`` the same in one line, and ``originators`` are the layers
    at fault.
    """

    trials: Sequence[Sequence[Row]]
    dtype: str
    seed: int
    layers: Sequence[JudgedLayer] = ()  # of manual, in the order in which it runs them
    inputs: Sequence[Asked] = ()  # in the order in which they were asked
    remarks: Sequence[str] = ()  # what else there is to say
    title: str = ""
    checks: "Sequence[Check]" = ()  # the ones asked for in addition

    @property
    def rows(self) -> list[Row]:
        """One for each tensor, in backward order."""
        rows: dict[str, Row] = {}
        for row in (row for trial in self.trials for row in trial):
            if row.name not in rows or (rows[row.name].passed and not row.passed):
                rows[row.name] = row
        return list(rows.values())

    @property
    def failures(self) -> list[Row]:
        """The rows that disagree; the first is where the backward first goes wrong."""
        return [row for row in self.rows if not row.passed]

    @property
    def less_accurate(self) -> list[tuple[str, Row]]:
        """Tensors whose formula is right, but which are less accurate than the reference's.

        Each with the layer in which it was found when run on its own, or "".
        """
        found = [("", row) for row in self.rows]
        found += [(layer.label, row) for layer in self.layers for row in layer.rows]
        return [(label, row) for label, row in found if row.verdict == LESS_ACCURATE]

    @property
    def originators(self) -> list[JudgedLayer]:
        """The layers at fault."""
        return [layer for layer in self.layers if layer.verdict == ORIGINATES]

    @property
    def nothing_compared(self) -> bool:
        """Whether no gradient was compared, or only ones that are zero all over."""
        return not any(row.scale > 0 for row in self.rows if row.kind != "output")

    @property
    def passed(self) -> bool:
        """Whether the models and all layers agree, and there was something to compare."""
        wrong = self.failures or self.originators or any(not c.passed for c in self.checks)
        return not wrong and not self.nothing_compared

    @property
    def unjudged(self) -> bool:
        """Whether manual differs only where the reference itself is infinite or NaN."""
        wrong = self.originators or any(not check.passed for check in self.checks)
        failures = self.failures
        return bool(failures) and not wrong and all(r.verdict == NO_TRUTH for r in failures)

    @property
    def verdict(self) -> str:
        """The worst verdict of any row, or that nothing was compared."""
        if self.nothing_compared and not self.failures:
            return NOTHING_COMPARED
        found = {row.verdict for trial in self.trials for row in trial}
        found |= {row.verdict for layer in self.layers for row in layer.rows}
        if self.originators or any(not check.passed for check in self.checks):
            found.add(BUG)
        order = (
            BUG,
            NO_TRUTH,
            BEHIND_SURROGATE,
            LESS_ACCURATE,
            SUBGRADIENT,
            ROUNDING,
            CLOSER,
            EXACT,
        )
        return next(verdict for verdict in order if verdict in found)

    def summary(self) -> str:
        """The outcome in one line."""
        total = f"{len(self.rows)} tensors"
        if self.originators:
            first, more = self.originators[:_ACCUSED], len(self.originators) - _ACCUSED
            also = f"; and {more} more" if more > 0 else ""
            return f"FAILED in {self.dtype}: {'; '.join(map(accuse, first))}{also}"
        failures = self.failures
        if self.unjudged:
            return (
                f"not judged: the reference is infinite or NaN in {len(failures)} of {total} in "
                f"{self.dtype} (seed {self.seed}): {', '.join(row.name for row in failures[:3])}"
            )
        if failures:
            return (
                f"FAILED: {len(failures)} of {total} disagree in {self.dtype} (seed {self.seed}). "
                f"First in backward order: {culprit(failures[0])}"
            )
        wrong_checks = [check for check in self.checks if not check.passed]
        if wrong_checks:
            return f"FAILED: {'; '.join(f'{c.name}: {c.detail}' for c in wrong_checks)}"
        if self.nothing_compared:
            return (
                "FAILED: nothing was compared. Every gradient is zero or missing on both sides: "
                "check that inputs or parameters require gradients, and that the weights are random"
            )
        return f"passed: {total} agree in {self.dtype} (seed {self.seed})"

    def by_trial(self) -> list[str]:
        """How many tensors agree, and how well, for which inputs and incoming gradients."""
        asked: dict[str, dict[str, list[str]]] = {}
        for rows in (rows for rows in self.trials if rows):
            counts = {words: sum(r.verdict == v for r in rows) for v, words in _IN_WORDS.items()}
            found = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
            found = found.replace(" ", " tensors " if len(rows) > 1 else " tensor ", 1)
            inputs = asked.setdefault(found, {})
            inputs.setdefault(rows[0].input, []).append(rows[0].cotangent)
        return [f"{found}: {on_what(inputs)}" for found, inputs in asked.items()]

    def by_layer(self) -> list[str]:
        """A line for each layer that is not correct, with its faults below it."""
        lines = []
        for layer in self.layers:
            if layer.verdict != CLEAN or layer.remark:
                verdict = (
                    layer.verdict if layer.verdict != INHERITED else "inherited from another layer"
                )
                lines.append(": ".join(x for x in (layer.label, verdict, layer.remark) if x))
            for fault in layer.faults:
                lines.append(f"  {tell(fault)}")
                lines += [f"    {line}" for line in where.lines(fault)]
        return lines

    def __str__(self) -> str:
        worse = [tell_less_accurate(label, row) for label, row in self.less_accurate]
        lines = [*self.by_layer(), *map(describe, self.failures), *worse, *self.remarks]
        return "\n".join([printable(self.summary()), *(f"  {printable(line)}" for line in lines)])

    def __repr__(self) -> str:
        return f"Report({printable(self.summary())})"

    def as_json(self) -> dict[str, Any]:
        """For strict JSON: infinities and NaN become null."""
        return {
            "passed": self.passed,
            "verdict": self.verdict,
            "rows": [tensor(row) for row in self.rows],
            "layers": [judged_layer(layer) for layer in self.layers],
            "less_accurate": [less_accurate_tensor(*found) for found in self.less_accurate],
            "remarks": list(self.remarks),
            "inputs": [str(asked) for asked in self.inputs],
            "checks": [check(c) for c in self.checks],
        }
