"""A row of the comparison: what the notes print, what is computed, and the verdict.

The verdict is measured, never declared: what is declared is what is expected of it.

    agrees       the printed figure or equation holds
    misprint     it does not, as printed; the value or equation given instead does
    unreadable   the scan has lost what would be needed to tell; our reading holds
    differs      neither of these: the notes or the code are wrong, and the comparison has failed

A figure agrees if it is the computed one rounded to the digits printed. An equation agrees if
both sides, computed in float64 on random numbers, differ by at most 1e-12 of the largest entry.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Verdict = Literal["agrees", "misprint", "unreadable", "differs"]

TOLERANCE = 1e-12


@dataclass(frozen=True)
class Check:
    """Whether something holds, and the numbers that show it."""

    holds: bool
    shown: str


@dataclass(frozen=True)
class Row:
    """One figure or equation of the notes.

    Attributes:
        note: number of the note, a colon, and the line in its file.
        claim: what the note says.
        printed: the figure or equation as it stands there.
        computed: what comes out here; for a misprint the right value first.
        verdict: see the module.
        code: the function that computes it.
        passed: whether the verdict is the expected one.
    """

    note: str
    claim: str
    printed: str
    computed: str
    verdict: Verdict
    code: str
    passed: bool


def agrees(note: str, claim: str, printed: str, check: Check, code: str) -> Row:
    """A row expected to hold as printed."""
    verdict: Verdict = "agrees" if check.holds else "differs"
    return Row(note, claim, printed, check.shown, verdict, code, check.holds)


def misprint(
    note: str, claim: str, printed: str, as_printed: Check, right: str, check: Check, code: str
) -> Row:
    """A row expected not to hold as printed, where ``right`` does."""
    computed = f"{right}: {check.shown}"
    if as_printed.shown != check.shown:
        computed += f"; as printed: {as_printed.shown}"
    verdict: Verdict = "misprint" if check.holds else "differs"
    if as_printed.holds:
        verdict = "agrees"
    return Row(note, claim, printed, computed, verdict, code, verdict == "misprint")


def unreadable(
    note: str, claim: str, printed: str, lost: str, code: str, check: Check | None = None
) -> Row:
    """A row of which something is lost; ``check`` is that of our reading, if there is one."""
    computed = lost if check is None else f"{lost}: {check.shown}"
    passed = check is None or check.holds
    return Row(note, claim, printed, computed, "unreadable" if passed else "differs", code, passed)


def equal(printed: Tensor | Callable[[], Tensor], *truths: Tensor) -> Check:
    """Whether both sides of an equation are the same, to ``TOLERANCE`` of the largest entry.

    Args:
        printed: the equation's value, or a function that computes it and may find shapes
            that do not fit.
        truths: what it should be, from autograd, from the hand-written code, or both.
    """
    try:
        value = printed() if callable(printed) else printed
    except RuntimeError as error:
        sizes = re.findall(r"\d+x\d+|(?<=\()\d+(?=\))", str(error))
        if len(sizes) != 2:
            raise
        return Check(False, f"shapes do not fit, {' and '.join(sizes).replace('x', '×')}")
    worst = 0.0
    for truth in truths:
        if value.shape != truth.shape:
            return Check(False, f"shape {_shape(value)}, not {_shape(truth)}")
        difference = (value - truth).abs().max().item()
        if difference:
            scale = truth.abs().max().item()
            relative = difference / scale if scale else float("inf")
            worst = relative if not relative <= worst else worst  # NaN stays
    if worst == 0:
        return Check(True, "exact")
    holds = worst <= TOLERANCE
    return Check(holds, f"within {worst:.1e}" if holds else f"off by {worst:.2g}")


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"


def figure(printed: str, value: float | Tensor) -> Check:
    """Whether ``printed`` is ``value``, rounded to the digits printed."""
    value = value.detach().item() if isinstance(value, Tensor) else value
    digits = len(printed.partition(".")[2])
    distance = abs(value - float(printed.replace("−", "-")))
    # A whisker more than half a digit: the half itself may go either way.
    holds = distance <= 0.5 * 10.0**-digits * (1 + 1e-9)
    return Check(holds, f"{value:.{digits + 2}f}".replace("-", "−"))


def fact(holds: bool | Tensor, shown: str) -> Check:
    """Whether something is so, shown by ``shown``."""
    return Check(bool(holds), shown)


def gradients(output: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """∂output/∂input for each input by autograd, the graph kept for more."""
    return torch.autograd.grad(output, inputs, retain_graph=True)


def gradient(output: Tensor, input: Tensor) -> Tensor:
    """∂output/∂input by autograd, the graph kept for more."""
    return gradients(output, input)[0]
