"""A claim of the notes: what they print, what comes out here, and the verdict.

The verdict is measured. What a row declares is only which one to expect:

    agrees       the printed figure or equation holds
    misprint     it does not, as printed; the value or equation given instead does
    unreadable   the scan has lost what would be needed to tell; our reading holds
    differs      none of these: the notes or the code are wrong, and the comparison has failed

A figure agrees if it is the computed one rounded to the digits printed. An equation agrees if
both sides, computed in float64 on random numbers, differ by at most 1e-12 of the largest entry.

The files of the systems yield claims in tables: a row says where, what is claimed and how it is
printed, and below that what computes it. They are laid out by hand, hence their "fmt: off".
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

Verdict = Literal["agrees", "misprint", "unreadable", "differs"]

TOLERANCE = 1e-12
_ROOT = Path(__file__).parents[2]  # of the repository


@dataclass(frozen=True)
class Finding:
    """Whether something holds, and the numbers that show it."""

    holds: bool
    shown: str


@dataclass(frozen=True)
class Claim:
    """One figure or equation of the notes.

    Attributes:
        at: number of the note, a colon, and the line in its file.
        says: what the note says.
        printed: the figure or equation as it stands there.
        computed: what comes out here; for a misprint the right value first.
        verdict: see the module.
        code: the function or class that computes it.
        passed: whether the verdict is the expected one.
    """

    at: str
    says: str
    printed: str
    computed: str
    verdict: Verdict
    code: Any
    passed: bool

    @cached_property
    def source(self) -> str:
        """Where the code is: its file, relative to the repository, a colon, and its line."""
        code = inspect.unwrap(self.code)
        file = Path(inspect.getsourcefile(code) or "").relative_to(_ROOT)
        return f"{file.as_posix()}:{inspect.getsourcelines(code)[1]}"


Claims = Iterator[Claim]


def agrees(at: str, says: str, printed: str, finding: Finding, code: Any) -> Claim:
    """A claim expected to hold as printed."""
    verdict: Verdict = "agrees" if finding.holds else "differs"
    return Claim(at, says, printed, finding.shown, verdict, code, finding.holds)


def equations(code: Any, *rows: tuple[Any, ...]) -> Claims:
    """Equations expected to hold: (at, says, printed, value, *what it must be equal to)."""
    for at, says, printed, value, *truths in rows:
        yield agrees(at, says, printed, equal(value, *truths), code)


def misprint(
    at: str, says: str, printed: str, as_printed: Finding, right: str, finding: Finding, code: Any
) -> Claim:
    """A claim expected not to hold as printed, where ``right`` does."""
    computed = f"{right}: {finding.shown}"
    if as_printed.shown != finding.shown:
        computed += f"; as printed: {as_printed.shown}"
    verdict: Verdict = "misprint" if finding.holds else "differs"
    if as_printed.holds:
        verdict = "agrees"
    return Claim(at, says, printed, computed, verdict, code, verdict == "misprint")


def unreadable(
    at: str, says: str, printed: str, lost: str, finding: Finding | None, code: Any
) -> Claim:
    """A claim of which something is lost; ``finding`` is that of our reading, if there is one."""
    computed = lost if finding is None else f"{lost}: {finding.shown}"
    passed = finding is None or finding.holds
    return Claim(at, says, printed, computed, "unreadable" if passed else "differs", code, passed)


def equal(printed: Tensor | Callable[[], Tensor], truth: Tensor, *more: Tensor) -> Finding:
    """Whether both sides of an equation are the same, to ``TOLERANCE`` of the largest entry.

    Args:
        printed: the equation's value, or a function that computes it and may find shapes
            that do not fit.
        truth: what it should be, from autograd or from the hand-written code.
        more: the same from the other of them.
    """
    try:
        value = printed() if callable(printed) else printed
    except RuntimeError as error:
        sizes = re.findall(r"\d+x\d+|(?<=\()\d+(?=\))", str(error))
        if len(sizes) != 2:
            raise
        return Finding(False, f"shapes do not fit, {' and '.join(sizes).replace('x', '×')}")
    worst = 0.0
    for wanted in (truth, *more):
        if value.shape != wanted.shape:
            return Finding(False, f"shape {_shape(value)}, not {_shape(wanted)}")
        difference = (value - wanted).abs().max().item()
        if difference:
            scale = wanted.abs().max().item()
            relative = difference / scale if scale else float("inf")
            worst = relative if not relative <= worst else worst  # NaN stays
    if worst == 0:
        return Finding(True, "exact")
    holds = worst <= TOLERANCE
    return Finding(holds, f"within {worst:.1e}" if holds else f"off by {worst:.2g}")


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"


def figure(printed: str, value: float | Tensor) -> Finding:
    """Whether ``printed`` is ``value``, rounded to the digits printed."""
    value = value.detach().item() if isinstance(value, Tensor) else value
    digits = len(printed.partition(".")[2])
    distance = abs(value - number(printed))
    # A whisker more than half a digit: the half itself may go either way.
    holds = distance <= 0.5 * 10.0**-digits * (1 + 1e-9)
    return Finding(holds, f"{value:.{digits + 2}f}".replace("-", "−"))


def number(printed: str) -> float:
    """The number as it is printed, with a minus sign that is none of Python's."""
    return float(printed.replace("−", "-"))


def fact(holds: bool | Tensor, shown: str) -> Finding:
    """Whether something is so, shown by ``shown``."""
    return Finding(bool(holds), shown)
