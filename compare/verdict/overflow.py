"""Where the reference overflows, and nobody knows what is right."""

from dataclasses import replace

from torch import Tensor

from compare.trial.key import Key
from compare.trial.sides import Sides
from compare.trial.trial import Trial, pairs
from compare.verdict.judge import NO_TRUTH, Row
from compare.verdict.kinks import gradients_around


def where_the_reference_overflows(
    trial: Trial, wrong: list[Row], sides: Sides
) -> dict[Key | None, Row]:
    """The rows that are wrong only where reference and truth are infinite, and stay so around.

    At a pole, as 1/x has one at 0, they do not.
    """
    found = {}
    truth = {item.key: item.tensor for item in trial.truth}
    points: list[dict[Key, Tensor]] | None = None
    for ours, theirs in pairs(trial, sides.pairing):
        row = next((row for row in wrong if row.key == ours.key), None)
        t, a, m = truth.get(theirs.key), theirs.tensor, ours.tensor
        if row is None or t is None or a is None or m is None or t.shape != m.shape:
            continue
        allowed = row.allowed or 0.0
        off = ~((m.double() - t).abs() <= allowed) & (m != a)
        infinite = ~t.isfinite() & ~a.isfinite() & m.isfinite()
        if not bool(infinite.any()) or bool((off & ~infinite).any()):
            continue
        points = points or gradients_around(trial, sides.reference)
        if points and all(not bool(p[theirs.key][infinite].isfinite().any()) for p in points):
            share = f"{int(infinite.sum())} of {m.numel()} elements, and overflows all around"
            reason = f"the reference is infinite in {share}"
            found[row.key] = replace(row, verdict=NO_TRUTH, reason=reason)
    return found
