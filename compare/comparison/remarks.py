"""What a comparison has to say besides its verdicts."""

from collections.abc import Iterator, Sequence

from compare.trial.key import Kind
from compare.trial.sides import Sides
from compare.trial.trial import Trial

_SHOWN = 6


def remarks(sides: Sides, trial: Trial) -> Iterator[str]:
    """One sentence each.

    Args:
        sides: The two models.
        trial: The first one, on what was given.
    """
    if sides.pairing.guessed:
        pairs = [f"{name} = {twin}" for name, twin in sides.pairing.tensors.items()]
        yield f"paired by order and shape, manual = reference: {_some(pairs)}"
    found = {sides.pairing.key(item.key): item for item in trial.manual}
    dead = [
        found[item.key].name
        for item in trial.reference
        if item.kind is Kind.PARAMETER
        and item.tensor is None
        and item.key in found
        and found[item.key].tensor is None
    ]
    if dead:
        them = "them" if len(dead) > 1 else "it"
        yield f"{_some(dead)}: no gradient reaches {them} on either side"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
