"""Is the backward the derivative of the forward, numerically, whatever the reference says."""

from compare.checks.check import AGREES, NOT_AVAILABLE, WRONG, Check
from compare.trial.case import said
from compare.trial.question import Question
from compare.verdict.own_forward import DIRECTIONS, contradictions

NAME = "finite-differences"


def check(question: Question) -> Check:
    """Central differences in float64 along random directions: two forwards for each of them."""
    try:
        wrong = contradictions(question.manual_case(), question.given)
    except Exception as error:
        return Check(NAME, NOT_AVAILABLE, f"in float64: {said(error)}")
    if wrong:
        return Check(NAME, WRONG, f"not the derivative of its own forward: {', '.join(wrong)}")
    return Check(
        NAME, AGREES, f"every gradient, along {DIRECTIONS} random directions each, in float64"
    )
