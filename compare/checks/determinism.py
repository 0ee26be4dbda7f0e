"""Is it the same twice, bit for bit."""

from compare.checks.check import AGREES, NOT_AVAILABLE, WRONG, Check
from compare.trial.errors import said
from compare.trial.question import Question
from compare.verdict.bits import same_bits


def check(question: Question) -> Check:
    """Two runs of manual from the same random state."""
    case, fed_in = question.manual_case(), question.cotangents()
    try:
        first, second = (case.gradients(question.given, fed_in)[0] for _ in range(2))
    except Exception as error:
        return Check(NOT_AVAILABLE, f"it raised {said(error)}")
    different = [
        a.name
        for a, b in zip(first, second, strict=True)
        if a.tensor is not None and (b.tensor is None or not same_bits(a.tensor, b.tensor))
    ]
    if different:
        return Check(WRONG, f"differs from run to run: {', '.join(different)}")
    return Check(AGREES, f"{len(first)} tensors, bit for bit")
