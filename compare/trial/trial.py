"""Two models under the same inputs and incoming gradients: run, and judged tensor by tensor."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from compare.trial import past_engine
from compare.trial.case import Case, said, truth
from compare.trial.cotangents import ONE_NUMBER, TENSORS, Maker
from compare.trial.given import GIVEN, Given
from compare.trial.pairing import Pairing
from compare.trial.strides import copy_with_layout
from compare.trial.watch import Item
from compare.verdict.judge import BUG, NO_TRUTH, Row, judge, scale_of


@dataclass(frozen=True)
class Trial:
    """What manual, reference and truth gave for one input and one incoming gradient."""

    cotangent: str
    fed_in: Sequence[Tensor]
    manual: Sequence[Item]
    reference: Sequence[Item]
    truth: Sequence[Item]
    given: Given
    raised: Exception | None = None  # by manual, which has no items then

    @property
    def size(self) -> float:
        """Of the incoming gradient: max |·|."""
        return max((float(c.abs().max()) for c in self.fed_in if c.numel()), default=0.0)


def makers(outputs: Sequence[Tensor]) -> Mapping[str, Maker]:
    """The incoming gradients to ask with: three for a single number, else six."""
    return ONE_NUMBER if all(output.dim() == 0 for output in outputs) else TENSORS


def feed(maker: Maker, outputs: Sequence[Tensor], seed: int) -> list[Tensor]:
    """One cotangent for each output, in its dtype and on its device, laid out as it was made."""
    generator = torch.Generator().manual_seed(seed)
    made = [maker(output, generator) for output in outputs]
    return [copy_with_layout(c, o.dtype, o.device) for c, o in zip(made, outputs, strict=True)]


def run(
    manual: Case, reference: Case, given: Given, cotangents: Mapping[str, Sequence[Tensor]]
) -> list[Trial]:
    """Both, and the reference in float64, once for each of the cotangents.

    Raises:
        ComparisonError: There is no truth; see ``case.truth``.
        Exception: Whatever the reference raises; what manual raises is in the trial.
    """
    trials = []
    for name, fed_in in cotangents.items():
        expected, after = reference.gradients(given, fed_in)
        true = expected
        if any(item.tensor is not None and item.tensor.dtype != torch.float64 for item in expected):
            true = truth(reference, given, fed_in, after)
        found: list[Item] = []
        raised = None
        try:
            found, _ = manual.gradients(given, fed_in)
            found = past_engine.unreduced(manual, given, fed_in, found)
        except Exception as error:
            found = past_engine.gradients(manual, given, fed_in)
            raised = None if found else error
        trials.append(Trial(name, fed_in, found, expected, true, given, raised))
    return trials


def judge_trials(
    trials: Iterable[Trial], pairing: Pairing | None = None
) -> list[tuple[Trial, list[Row]]]:
    """For each trial one row for each tensor that manual and reference should have in common.

    A backward is linear in what it is fed. So the largest magnitude that a tensor has under any of
    the cotangents, brought to this one's size, is the size of the terms that it is computed from,
    also where these cancel: softmax answers an incoming gradient that is the same for all classes
    with roundings around 0, and these are no fault. On inputs derived from what was given, such as
    saturating ones, where all terms may vanish, the size on what was given counts as well.
    """
    trials = list(trials)
    usual = _sizes(t for t in trials if t.given.kind == GIVEN)
    judged = []
    for kind in dict.fromkeys(trial.given.kind for trial in trials):
        here = [trial for trial in trials if trial.given.kind == kind]
        sizes = dict(usual)
        for key, size in _sizes(here).items():
            sizes[key] = max(size, sizes.get(key, 0.0))
        judged += [(trial, _rows(trial, sizes, pairing)) for trial in here]
    return judged


# Below this share of the layer's other gradients a truth in float64 is a zero with roundings.
_ZERO = 1e-12


def _sizes(trials: Iterable[Trial]) -> dict[str, float]:
    """Of each gradient, for an incoming one of size 1.

    One that is zero whatever comes in has terms that cancel, and these are as large as the layer's
    other gradients: the bias of an attention's keys, which softmax takes out again.
    """
    sizes: dict[str, float] = {}
    groups: dict[str, list[str]] = {}
    for trial in trials:
        if trial.size == 0:
            continue
        dtypes = {i.key: i.tensor.dtype for i in trial.reference if i.tensor is not None}
        for item in trial.truth:
            if item.kind != "output" and item.tensor is not None and item.key in dtypes:
                size = scale_of(item.tensor, dtypes[item.key]) / trial.size
                if item.key not in sizes:
                    groups.setdefault(_layer_of(item), []).append(item.key)
                sizes[item.key] = max(size, sizes.get(item.key, 0.0))
    for keys in groups.values():
        largest = max(sizes[key] for key in keys)
        sizes |= {key: largest for key in keys if 0 < sizes[key] <= _ZERO * largest}
    return sizes


def _layer_of(item: Item) -> str:
    if item.kind == "delta":
        return item.key.removeprefix("δ ").rsplit(" ", 2)[0]
    return item.key.rpartition(".")[0] if item.kind == "parameter" else item.key


def _rows(trial: Trial, sizes: Mapping[str, float], pairing: Pairing | None) -> list[Row]:
    truth = {item.key: item for item in trial.truth}
    rows = []
    for found, expected in pairs(trial, pairing):
        key = expected.key
        true = truth.get(key)
        if expected.kind == "delta" and not same_place(found, expected, true):
            continue
        row = judge(
            found.name,
            expected.kind,
            found.tensor,
            expected.tensor,
            true.tensor if true else None,
            scale=sizes[key] * trial.size if key in sizes else None,
        )
        if trial.given.kind != GIVEN and row.verdict == NO_TRUTH:
            continue  # nobody claimed that the reference has a gradient there
        if trial.raised:
            row = replace(row, verdict=BUG, reason=f"manual raised {said(trial.raised)}")
        rows.append(
            replace(row, source=found.source, cotangent=trial.cotangent, input=trial.given.kind)
        )
    return rows


def same_place(found: Item, expected: Item, true: Item | None) -> bool:
    """Whether both layers give out the same numbers: else their δ are no gradients of one thing.

    A Linear with a ReLU fused into it has the name of the reference's Linear and gives out what the
    reference's ReLU does. Where a forward is wrong, the output's own row says so.
    """
    value = true.value if true else None
    row = judge(expected.name, "output", found.value, expected.value, value)
    return row.passed or row.verdict == NO_TRUTH


def pairs(trial: Trial, pairing: Pairing | None = None) -> list[tuple[Item, Item]]:
    """What is to be compared, in the reference's backward order.

    A layer that only one side has (a fused one, say) has no δ in common, and all around it is
    compared nevertheless. Where neither side has a gradient, there is nothing to compare.
    """
    ours = {pairing.key(item.key) if pairing else item.key: item for item in trial.manual}
    named = {twin: name for name, twin in pairing.tensors.items()} if pairing else {}
    found_and_expected = []
    for expected in trial.reference:
        found = ours.get(expected.key)
        if found is None and expected.kind != "delta":
            name = named.get(expected.name, expected.name)
            found = replace(expected, name=name, tensor=None, source="")
        if found is not None and not (found.tensor is None and expected.tensor is None):
            found_and_expected.append((found, expected))
    return found_and_expected
