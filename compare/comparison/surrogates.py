"""Gradients that are another one than the forward's on purpose.

A spiking neuron's step, a straight-through estimator: the forward has no gradient worth descending,
so another is put in its place. No reference can vouch for it, nor for what it reaches.
"""

from collections.abc import Sequence
from dataclasses import replace

from compare.trial.errors import ComparisonError
from compare.trial.given import Given
from compare.trial.key import Kind
from compare.trial.recorder import layers_in
from compare.trial.sides import Sides
from compare.verdict.judge import BEHIND_SURROGATE
from compare.verdict.judging import Results


def behind(results: Results, sides: Sides, given: Given, surrogates: Sequence[str]) -> Results:
    """The judged trials, with every gradient that has passed a surrogate called so.

    Args:
        results: Of the whole model.
        sides: Who was asked.
        given: On what.
        surrogates: Names of manual's layers; none leaves the results as they are.

    Raises:
        ComparisonError: Manual has no such layer.
    """
    if not surrogates:
        return results
    calls = sides.manual.calls(given, None)
    for name in surrogates:
        if name not in (names := layers_in(calls)):
            known = ", ".join(n for n in names if n) or "no layer at all"
            raise ComparisonError(
                f"surrogate {name}: manual runs no layer of that name; it has {known}"
            )
    first = min(call.began for call in calls if call.module in surrogates)
    reached = {call.module for call in calls if call.ended < first} | {*surrogates}
    return [
        (
            trial,
            [
                replace(row, verdict=BEHIND_SURROGATE)
                if row.key and _is_gradient(row.key.kind, row.key.layer, reached)
                else row
                for row in rows
            ],
        )
        for trial, rows in results
    ]


def _is_gradient(kind: Kind, layer: str, reached: set[str]) -> bool:
    return kind is Kind.INPUT or (kind is not Kind.OUTPUT and layer in reached)
