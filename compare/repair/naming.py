"""The name of a mistake, once the change is known that undoes it.

A hypothesis explains what comes out; the change says what is written. Where the two cannot both be
meant, the change is right, as it was tried; where no hypothesis was written for it, it is the name.
"""

from dataclasses import replace

from compare.blame.finding import Fault
from compare.diagnosis.mistake import Diagnosis, Mistake

# What is seen as it is, and told whatever the change.
_SEEN = {
    Mistake.RAISED,
    Mistake.WRONG_SHAPE,
    Mistake.DETACHED,
    Mistake.OVERFLOW,
    Mistake.LOWER_PRECISION,
    Mistake.CLIPPED,
    Mistake.WRITTEN_OVER,
    Mistake.IGNORES_INCOMING,
    Mistake.READ_AS_CONTIGUOUS,
    Mistake.PART_OF_BATCH,
}
# Where it is a guess, or speaks of the reference's steps, the change says it more plainly.
_LESS_PLAIN = ("perhaps", "the gradient through", "on the original input:")
_SCALED = {Mistake.FACTOR, Mistake.SUM_FOR_MEAN, Mistake.MEAN_FOR_SUM, Mistake.TWICE}
_TURNED = {Mistake.TRANSPOSED, Mistake.WRONG_WEIGHT, Mistake.PERMUTED}
_TERMS = {Mistake.NO_CROSS_TERM, Mistake.NO_TARGET, Mistake.NO_DERIVATIVE, Mistake.ADDED}

# The hypotheses that say the same as an edit of each kind.
_FITTING: dict[str, set[Mistake]] = {
    "sign": {Mistake.SIGN, Mistake.FACTOR},
    "operator": {*_SCALED, Mistake.SIGN, Mistake.ADDED},
    "constant": {*_SCALED, Mistake.SIGN, Mistake.ADDED, Mistake.WRONG_AXIS},
    "factor": {*_SCALED, Mistake.NO_DERIVATIVE, Mistake.SIGN},  # that of a tensor is named by it
    "divisor": {*_SCALED},
    "extra factor": {*_SCALED},
    "extra divisor": {*_SCALED},
    "term": _TERMS,
    "extra term": {Mistake.ADDED},
    "transpose": _TURNED,
    "subscripts": _TURNED,
    "arguments": {*_TURNED, Mistake.SIGN},
    "dims": {Mistake.WRONG_AXIS, Mistake.NOT_SUMMED, *_SCALED},
    "reduction": {Mistake.NOT_SUMMED, Mistake.WRONG_AXIS, *_SCALED},
    "function": {*_SCALED, Mistake.NO_DERIVATIVE, Mistake.AT_OUTPUT},
    "name": {Mistake.WRONG_WEIGHT, Mistake.AT_OUTPUT, Mistake.NO_DERIVATIVE, Mistake.STALE},
    "saved": {Mistake.WRONG_WEIGHT, Mistake.AT_OUTPUT, Mistake.STALE},
    "expression": {Mistake.WRONG_WEIGHT, Mistake.AT_OUTPUT, Mistake.NO_DERIVATIVE},
    "extra call": {*_SCALED, Mistake.AT_OUTPUT, Mistake.WRONG_AXIS, *_TURNED},
    "gradient": {*_TURNED, *_SCALED, *_TERMS, Mistake.SIGN, Mistake.AT_OUTPUT},
}


def named(fault: Fault) -> Fault:
    """The same, called by what its change says where nothing better is known."""
    change = fault.repair
    mistake = fault.diagnosis.mistake
    if change is None or mistake in _SEEN:
        return fault
    fitting = set.intersection(*(_FITTING.get(kind, set()) for kind in change.kinds))
    if mistake in fitting and not any(w in fault.diagnosis.sentence for w in _LESS_PLAIN):
        return fault
    if mistake in (Mistake.IN_A_PART, Mistake.NO_SUBGRADIENT):
        said = f"{fault.diagnosis.sentence}: {change.name}"
        return replace(fault, diagnosis=replace(fault.diagnosis, sentence=said))
    return replace(fault, diagnosis=Diagnosis(Mistake.IN_THE_SOURCE, change.name))
