"""What a difference can be besides a fault: every excuse, in the order in which it is heard.

An excuse takes judged trials and gives them back, with what it explains called by its name.
"""

from collections.abc import Callable, Sequence

from compare.trial.sides import Sides
from compare.verdict.amplified import amplified
from compare.verdict.judging import Results
from compare.verdict.kinks import at_kinks

Excuse = Callable[[Results, Sides], Results]


def of_a_layer(*, strict: bool) -> list[Excuse]:
    """Those of one layer that is run by itself.

    Args:
        strict: Whether another subgradient than the reference's is wrong.
    """
    return [] if strict else [at_kinks]


def of_a_model(*, strict: bool) -> list[Excuse]:
    """Those of a whole model whose layers are all right by themselves."""
    return [*of_a_layer(strict=strict), amplified]


def excused(results: Results, sides: Sides, excuses: Sequence[Excuse]) -> Results:
    """The judged trials after all of these excuses."""
    for excuse in excuses:
        results = excuse(results, sides)
    return results
