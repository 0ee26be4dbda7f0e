"""The two sides of a comparison, ready to be run."""

from dataclasses import dataclass

from compare.trial.case import Case
from compare.trial.pairing import Pairing


@dataclass(frozen=True)
class Sides:
    """The model in question, the one that is trusted, and what of one is what of the other."""

    manual: Case
    reference: Case
    pairing: Pairing
