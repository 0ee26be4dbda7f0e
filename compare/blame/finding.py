"""What is known about a layer: its verdict, its faults, and what exposed them.

A layer of the manual model is run by itself, on what the reference's layer was given and with the
gradient that the reference's layer received. What comes out wrong then is this layer's own doing.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compare.diagnosis.mistake import Diagnosis
from compare.verdict.judge import Row

if TYPE_CHECKING:
    from compare.blame.piece import Piece

CLEAN = "correct"
INHERITED = "inherited"  # its own backward is right, what came in was wrong
ORIGINATES = "wrong"
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
class SourceLine:
    """Where the wrong gradient is computed, or the line of the call where nobody can read that."""

    file: str
    line: int
    function: str
    text: str  # the line itself, without its indentation


@dataclass(frozen=True)
class Repair:
    """A change of the source with which every trial comes out right."""

    file: str
    line: int  # the first one that changes
    old: str  # the lines that change, without their indentation
    new: str
    trials: int  # the inputs and incoming gradients that it is right on
    alternatives: int  # how many other changes are right on all of them, too
    name: str  # what the change says of the mistake
    kinds: tuple[str, ...]  # of its edits
    only_these_sizes: bool = False  # no other sizes could be tried
    edits: tuple[tuple[int, int, str], ...] = ()  # of the file in bytes: start, end, new text


@dataclass(frozen=True)
class Fault:
    """One gradient that a layer computes wrongly, or its output."""

    gradient: str
    diagnosis: Diagnosis
    row: Row  # the numbers, under the input and the incoming gradient that exposed it
    input: str  # the kind of input that exposed it: "given", "rounded", …
    seed: int
    residual: Residual | None = None
    source: SourceLine | None = None
    repair: Repair | None = None
    out_of_time: float = 0.0  # seconds after which the search for a change was given up, if it was
    error: Exception | None = field(default=None, repr=False, compare=False)  # that was raised

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
    piece: "Piece | None" = field(default=None, repr=False, compare=False)  # to be asked again

    @property
    def name(self) -> str:
        """The first of its names; none of the model itself."""
        return self.names[0]
