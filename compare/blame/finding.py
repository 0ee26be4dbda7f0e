"""What is known about a layer: its verdict, its faults, and what exposed them.

A layer of the manual model is run by itself, on what the reference's layer was given and with the
gradient that the reference's layer received. What comes out wrong then is this layer's own doing.
"""

from dataclasses import dataclass

from compare.diagnosis.mistake import Diagnosis
from compare.verdict.judge import Row

CLEAN = "clean"
INHERITED = "inherited"  # its own backward is right, what came in was wrong
ORIGINATES = "originates here"
SURROGATE = "surrogate"  # declared to be another gradient than the forward's, on purpose


@dataclass(frozen=True)
class Residual:
    """Where an error sits: |m − t| in units of what rounding allows, at most 64 × 64 of it.

    ``cells`` are the rows of the picture: the largest of each block of the gradient as a matrix,
    leading dimensions flattened; a vector is one row. ``shape`` is the gradient's own. A number
    that is no number, or infinite, is ``inf``.
    """

    shape: tuple[int, ...]
    cells: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Fault:
    """One gradient that a layer computes wrongly, or its output."""

    gradient: str
    diagnosis: Diagnosis
    row: Row  # the numbers, under the input and the incoming gradient that exposed it
    input: str  # the kind of input that exposed it: "given", "rounded", …
    seed: int
    residual: Residual | None = None

    @property
    def cotangent(self) -> str:
        """The incoming gradient that exposed it."""
        return self.row.cotangent


@dataclass(frozen=True)
class JudgedLayer:
    """A layer of the manual model, judged by itself."""

    names: tuple[str, ...]  # dotted, in the manual model; several where the reference has one
    label: str  # for people: "2 Linear"
    twin: str  # what it was held against, dotted, in the reference
    verdict: str
    faults: tuple[Fault, ...] = ()
    rows: tuple[Row, ...] = ()  # one for each gradient by itself: the first wrong one or the first
    remark: str = ""  # what could not be told, and why

    @property
    def name(self) -> str:
        """The first of its names; none of the model itself."""
        return self.names[0]
