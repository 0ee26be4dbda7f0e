"""What a comparison found, for programs and in plain text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compare.verdict import BUG, CLOSER, EXACT, NO_TRUTH, ROUNDING, Row

COLUMNS = ("name", "kind", "exact", "max_abs", "max_rel", "max_ulp", "verdict")
_IN_WORDS = {
    EXACT: "bit for bit the same",
    ROUNDING: "the same but for rounding",
    CLOSER: "closer to the truth than the reference",
    NO_TRUTH: "without a reference, which is NaN",
    BUG: "wrong",
}


@dataclass(frozen=True)
class Report:
    """What became of each tensor under each incoming gradient.

    ``trials`` has a list of rows in backward order for each cotangent fed in. ``rows`` sums them
    up, one for each tensor: the first one that disagrees, or else the one of the first cotangent,
    which for a loss is the 1 of ``loss.backward()``.
    """

    trials: Sequence[Sequence[Row]]
    dtype: str
    seed: int

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
        """The rows that disagree; the first one is where the error is made, the others inherit."""
        return [row for row in self.rows if not row.passed]

    @property
    def nothing_compared(self) -> bool:
        """Whether no gradient was compared, or only ones that are zero all over."""
        return not any(row.scale > 0 for row in self.rows if row.kind != "output")

    @property
    def passed(self) -> bool:
        """Whether all tensors agree under all incoming gradients, and there were some."""
        return not self.failures and not self.nothing_compared

    def summary(self) -> str:
        """The outcome in one line."""
        total = f"{len(self.rows)} tensors"
        failures = self.failures
        if failures:
            return (
                f"FAILED: {len(failures)} of {total} disagree in {self.dtype} (seed {self.seed}). "
                f"First in backward order: {blame(failures[0])}"
            )
        if self.nothing_compared:
            return (
                "FAILED: nothing was compared. Neither side has a gradient that is not zero all "
                "over: see that inputs or parameters require one, and that the weights are random"
            )
        return f"passed: {total} agree in {self.dtype} (seed {self.seed})"

    def by_cotangent(self) -> list[str]:
        """A line for each incoming gradient: how many tensors agree how well under it."""
        lines = []
        for rows in (rows for rows in self.trials if rows):
            counts = {words: sum(r.verdict == v for r in rows) for v, words in _IN_WORDS.items()}
            found = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
            lines.append(f"incoming gradient {rows[0].cotangent}: {found}")
        return lines

    def __str__(self) -> str:
        return "\n".join([self.summary(), *(f"  {describe(row)}" for row in self.failures)])

    def as_json(self) -> dict[str, Any]:
        """Strict JSON: what is infinite or no number is null."""
        rows = [{column: finite(getattr(row, column)) for column in COLUMNS} for row in self.rows]
        return {"passed": self.passed, "rows": rows}


def finite(value: Any) -> Any:
    """``value``, or None for a float that JSON does not know."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def count(steps: int) -> str:
    """A number of ULP, in full while that is readable."""
    return f"{steps:,}" if steps < 10**9 else f"{steps:.1e}"


def blame(row: Row) -> str:
    """Which layer has to do with a row, as far as that is known."""
    if row.kind == "output":
        return f"{row.name}, so the forward is at fault before any gradient"
    return f"{row.name}, computed by the backward of {row.source}" if row.source else row.name


def describe(row: Row) -> str:
    """A row that disagrees, in one line."""
    fed_in = f" (incoming gradient: {row.cotangent})" if row.cotangent else ""
    parts = [row.verdict, row.reason]
    if row.max_abs is not None:
        parts += [
            f"max abs {row.max_abs:.3g}",
            f"max rel {row.max_rel:.3g}",
            f"{count(row.max_ulp or 0)} ULP",
        ]
    if row.index is not None:
        parts += [f"{row.manual:.9g} instead of {row.reference:.9g} at {list(row.index)}"]
    if row.verdict == BUG and row.allowed is not None:
        parts += [
            f"error {row.error_manual:.2g} against the truth where {row.allowed:.2g} is rounding"
        ]
    if row.verdict == NO_TRUTH:
        parts = [row.verdict, row.reason]
    return f"{row.name}: {', '.join(part for part in parts if part)}{fed_in}"
