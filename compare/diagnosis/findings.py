"""What is known about a wrong gradient: what exposed it, what the mistake is, which layer made it.

A layer of the manual model is run by itself, on what the reference's layer was given and with the
gradient that the reference's layer received. What comes out wrong then is this layer's own doing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from compare.verdict.judge import Row

CLEAN = "clean"
INHERITED = "inherited"  # its own backward is right, what came in was wrong
ORIGINATES = "originates here"

#: What a layer's gradient is called: "output" (of the forward), "input" or "input 1" where it has
#: several, else the parameter's name within the layer.
OUTPUT = "output"


class Mistake(StrEnum):
    """The mistakes that people make in a backward pass; the values are for people and JSON."""

    SIGN = "sign"
    FACTOR = "constant factor"
    SUM_FOR_MEAN = "missing mean over the batch"  # N times too large
    MEAN_FOR_SUM = "averaged instead of summed"  # N times too small
    TWICE = "accumulated twice"
    TRANSPOSED = "transposed"
    WRONG_AXIS = "wrong axis"
    PERMUTED = "permutation"
    NOT_SUMMED = "not summed over the batch"
    PART_OF_BATCH = "only part of the batch"
    NO_DERIVATIVE = "missing activation derivative"
    AT_OUTPUT = "derivative taken at a instead of z"
    NO_CROSS_TERM = "missing cross term"
    WRONG_WEIGHT = "wrong weight"
    STALE = "stale gradient"
    DETACHED = "detached"
    IGNORES_INCOMING = "incoming gradient ignored"
    IN_A_PART = "wrong in a part"  # right in one part, wrong in one way in the other
    ADDED = "something added"
    NO_TARGET = "target left out"
    CLIPPED = "clipped"
    OVERFLOW = "overflow"
    WRONG_SHAPE = "wrong shape"
    LOWER_PRECISION = "lower precision than claimed"
    ROUNDING = "rounding only"
    RAISED = "raised an error"
    FORWARD = "forward"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Diagnosis:
    """What the mistake is: the kind, a sentence with the number found, and the number."""

    mistake: Mistake
    sentence: str
    factor: float | None = None


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
class Layer:
    """A layer of the manual model, judged by itself."""

    name: str  # dotted, in the manual model; "" is the model itself
    label: str  # for people: "2 Linear"
    twin: str  # what it was held against, dotted, in the reference
    verdict: str
    faults: tuple[Fault, ...] = ()
    rows: tuple[Row, ...] = ()  # one for each gradient by itself: the first wrong one or the first
    remark: str = ""  # what could not be told, and why


Vjp = Callable[[Sequence[Tensor], Sequence[Tensor], Mapping[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class Evidence:
    """One run of a faulty layer by itself. All tensors are float64 except ``manual``.

    ``inputs`` are the floating-point tensors that the layer is given, in order, ``differentiated``
    the places of those that a gradient is taken to, ``parameters`` those of the layer by name
    within it, ``outputs`` what the reference gives out, ``incoming`` the
    gradient fed in at each output. ``manual`` and ``right`` are the gradients by name ("input" or
    "input 0", "input 1", …; parameter names); None where manual has none.
    ``vjp(inputs, incoming, parameters)`` asks the reference, in float64, for the gradients
    anywhere else: at other inputs, other incoming gradients, other parameters. It raises whatever
    the reference raises on shapes that do not fit.
    """

    input: str
    cotangent: str
    inputs: Sequence[Tensor]
    differentiated: Sequence[int]
    parameters: Mapping[str, Tensor]
    outputs: Sequence[Tensor]
    incoming: Sequence[Tensor]
    manual: Mapping[str, Tensor | None]
    right: Mapping[str, Tensor]
    vjp: Vjp
    dtype: torch.dtype  # that manual computes in
    scales: Mapping[str, float]  # of the terms that each gradient is a sum of; see verdict.judge
    training: bool = True
    label: str = ""  # the layer's class, for people: "Linear", "Softmax"
