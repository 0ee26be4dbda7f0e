"""Is the backward the derivative of the forward, numerically, whatever the reference says."""

from compare.checks.check import AGREES, NOT_AVAILABLE, WRONG, Check
from compare.trial.errors import said
from compare.trial.question import Question
from compare.verdict.own_forward import DIRECTIONS, contradictions


def check(question: Question) -> Check:
    """Central differences in float64 along random directions: two forwards for each of them."""
    try:
        wrong = contradictions(question.manual_case(), question.given)
    except Exception as error:
        return Check(NOT_AVAILABLE, f"in float64: {said(error)}")
    if wrong:
        names = ", ".join(item.name for item in wrong)
        return Check(WRONG, f"not the derivative of its own forward: {names}")
    return Check(AGREES, f"every gradient, along {DIRECTIONS} random directions each, in float64")
