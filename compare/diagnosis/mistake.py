"""The mistakes that people make in a backward pass, and what is said of one."""

from dataclasses import dataclass
from enum import StrEnum


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
    OVERWRITTEN = "overwritten instead of added"
    OF_ANOTHER = "another tensor's gradient"
    NOT_SUMMED = "not summed over the batch"
    PART_OF_BATCH = "only part of the batch"
    NO_DERIVATIVE = "missing activation derivative"
    AT_OUTPUT = "derivative taken at a instead of z"
    ANOTHER_DERIVATIVE = "another function's derivative"
    MISSING_FACTOR = "missing factor"  # a tensor
    ANOTHER_FACTOR = "wrong factor"  # a tensor, in place of another one
    CONSTANT = "treated as a constant"  # one of the ways that a gradient comes back
    NO_CROSS_TERM = "missing cross term"
    WRONG_WEIGHT = "wrong weight"
    STALE = "stale gradient"
    DETACHED = "detached"
    NO_REFERENCE = "reference without a gradient"
    IGNORES_INCOMING = "incoming gradient ignored"
    IN_A_PART = "partly wrong"  # right in one part, wrong in one way in the other
    NO_SUBGRADIENT = "no subgradient"  # at a kink or a tie
    ADDED = "something added"
    NO_TARGET = "target left out"
    CLIPPED = "clipped"
    WRITTEN_OVER = "overwritten"  # what is not its own
    READ_AS_CONTIGUOUS = "read as contiguous"
    OVERFLOW = "overflow"
    WRONG_SHAPE = "wrong shape"
    LOWER_PRECISION = "lower precision than claimed"
    ROUNDING = "rounding only"
    RAISED = "raised an error"
    IN_THE_SOURCE = "in the source"  # called by the change that undoes it
    FORWARD = "forward"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Diagnosis:
    """What the mistake is: the kind, a sentence with the number found, and the number."""

    mistake: Mistake
    sentence: str
    factor: float | None = None
