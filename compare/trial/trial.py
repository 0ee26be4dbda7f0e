"""Two models under the same inputs and incoming gradients, and the reference in float64."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from compare.trial import past_engine
from compare.trial.case import Case, truth
from compare.trial.given import GIVEN, Given
from compare.trial.key import Kind
from compare.trial.pairing import Pairing
from compare.trial.randomness import RandomState
from compare.trial.sides import Sides
from compare.trial.watch import Item


@dataclass(frozen=True)
class Trial:
    """What manual, reference and truth gave for one input and one incoming gradient."""

    cotangent: str
    fed_in: Sequence[Tensor]
    manual: Sequence[Item]
    reference: Sequence[Item]
    in_float64: Callable[[], Sequence[Item]]
    given: Given
    raised: Exception | None = None  # by manual, which has no items then
    refused: bool = False  # by manual, which does not take what was derived: no fault

    @cached_property
    def truth(self) -> Sequence[Item]:
        """The reference in float64: asked only where the two differ.

        Raises:
            ComparisonError: There is none; see ``case.truth``.
        """
        return self.in_float64()

    @property
    def is_float64(self) -> bool:
        """Whether the reference is the truth already."""
        return all(i.tensor is None or i.tensor.dtype == torch.float64 for i in self.reference)

    @property
    def size(self) -> float:
        """Of the incoming gradient: max |·|."""
        return max((float(c.abs().max()) for c in self.fed_in if c.numel()), default=0.0)


def run(sides: Sides, given: Given, cotangents: Mapping[str, Sequence[Tensor]]) -> list[Trial]:
    """Both, and the reference in float64, once for each of the cotangents.

    Raises:
        Exception: Whatever the reference raises; what manual raises is in the trial.
    """
    trials = []
    for name, fed_in in cotangents.items():
        expected, after = sides.reference.gradients(given, fed_in)
        found: list[Item] = []
        raised = None
        try:
            found, _ = sides.manual.gradients(given, fed_in)
        except Exception as error:
            found = past_engine.gradients(sides.manual, given, fed_in)
            raised = None if found else error
        in_float64 = _truth(sides.reference, given, fed_in, expected, after)
        refused = raised is not None and _refuses(sides.manual, given)
        trials.append(Trial(name, fed_in, found, expected, in_float64, given, raised, refused))
    return trials


def _refuses(case: Case, given: Given) -> bool:
    """Whether it is no fault to raise on this: nobody gets a wrong gradient.

    The forward may, on any input that was not given. The backward may, too, where nobody expects
    that the model takes it.
    """
    if given.kind == GIVEN or given.setting:
        return False
    if given.optional:
        return True
    try:
        case.outputs(given)
    except Exception:
        return True
    return False


# Of a forward pass; with its backward and in float64 it takes some ten times as long.
_SLOW = 0.02


def without_slow(kinds: Iterable[Given], reference: Case) -> Iterator[Given]:
    """The kinds of inputs, without the long ones where the reference is slow already."""
    slow = False
    for given in kinds:
        if given.kind == GIVEN:
            slow = is_slow(given, reference)
        if not (given.long and slow):
            yield given


def is_slow(given: Given, reference: Case, seconds: float = _SLOW) -> bool:
    """Whether a forward pass takes too long to be run some dozens of times more.

    By the processor's time, and twice: what a busy machine lets wait, or loads at first, is not.
    """
    return all(_seconds(given, reference) > seconds for _ in range(2))


def _seconds(given: Given, reference: Case) -> float:
    start = time.thread_time()
    with suppress(Exception):  # whoever asks it is told
        reference.outputs(given)
    return time.thread_time() - start


def mode_matters(sides: Sides, given: Given) -> bool:
    """Whether either side gives out something else in the mode that is ``given``'s."""
    usual = replace(given, training=None)
    return any(
        not torch.equal(a, b)
        for case in (sides.manual, sides.reference)
        for a, b in zip(case.outputs(given), case.outputs(usual), strict=True)
    )


def _truth(
    reference: Case,
    given: Given,
    fed_in: Sequence[Tensor],
    expected: Sequence[Item],
    after: RandomState,
) -> Callable[[], Sequence[Item]]:
    if all(item.tensor is None or item.tensor.dtype == torch.float64 for item in expected):
        return lambda: expected
    return lambda: truth(reference, given, fed_in, after)


def pairs(trial: Trial, pairing: Pairing) -> list[tuple[Item, Item]]:
    """What is to be compared, in the reference's backward order.

    A layer that only one side has (a fused one, say) has no δ in common, and all around it is
    compared nevertheless. Where neither side has a gradient, there is nothing to compare.
    """
    ours = {pairing.key(item.key): item for item in trial.manual}
    named = {twin: name for name, twin in pairing.tensors.items()}
    found_and_expected = []
    for expected in trial.reference:
        found = ours.get(expected.key)
        if found is None and expected.kind is not Kind.DELTA:
            name = named.get(expected.name, expected.name)
            key = expected.key._replace(name=named.get(expected.key.name, expected.key.name))
            found = replace(expected, key=key, name=name, tensor=None, taken_by=(), source="")
        if found is not None and not (found.tensor is None and expected.tensor is None):
            found_and_expected.append((found, expected))
    return found_and_expected
