"""The outcome of one of the checks that are made in addition."""

from dataclasses import dataclass

AGREES = "agrees"
WRONG = "wrong"
NOT_AVAILABLE = "not available"  # here, or for this model; the detail says why


@dataclass(frozen=True)
class Check:
    """What came out, with a sentence that has the numbers in it."""

    verdict: str
    detail: str
    name: str = ""  # the one that it was asked by

    @property
    def passed(self) -> bool:
        """Whether nothing wrong was found; what could not be asked found nothing."""
        return self.verdict != WRONG
