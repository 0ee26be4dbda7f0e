"""What a comparison has to say besides its verdicts."""

from collections.abc import Iterator, Sequence

from compare.trial.derived import WITHOUT_GRADIENT
from compare.trial.key import Kind
from compare.trial.sides import Sides
from compare.trial.trial import Trial
from compare.trial.watch import Item

_SHOWN = 6


def remarks(sides: Sides, trials: Sequence[Trial]) -> Iterator[str]:
    """One sentence each.

    Args:
        sides: The two models.
        trials: All of them, the first on what was given.
    """
    trial = trials[0]
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
    silent = _silent(trials)
    if silent:
        yield (
            f"{_some(silent)}: zero everywhere on both sides, so nothing was compared there; are "
            "weights on the path zero?"
        )
    twins = {sides.pairing.key(i.key): i for t in trials for i in t.manual if _is_lost(i, t)}
    lost = {
        twins[item.key].name: None
        for t in trials
        if t.given.kind == WITHOUT_GRADIENT
        for item in t.reference
        if item.key in twins and item.tensor is not None
    }
    if lost:
        yield (
            f"{_some(list(lost))}: a gradient only if an input of the model requires one, as with "
            "reentrant checkpointing"
        )


def _silent(trials: Sequence[Trial]) -> list[str]:
    """The parameters whose gradients are zero in every trial, where others are not."""
    heard: dict[str, bool] = {}
    for item in (i for t in trials for i in (*t.manual, *t.reference)):
        if item.kind is Kind.PARAMETER and item.tensor is not None:
            heard[item.name] = heard.get(item.name, False) or bool(item.tensor.any())
    return [name for name, any_ in heard.items() if not any_] if any(heard.values()) else []


def _is_lost(item: Item, trial: Trial) -> bool:
    return trial.given.kind == WITHOUT_GRADIENT and item.unrecorded and item.tensor is None


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
