"""Can the backward be differentiated again, as a penalty on the gradient asks for."""

from collections.abc import Sequence

import torch
from torch import Tensor

from compare.checks.check import AGREES, NOT_AVAILABLE, WRONG, Check
from compare.trial.case import Case
from compare.trial.errors import said
from compare.trial.given import tensors_in
from compare.trial.question import Question, parameters
from compare.verdict.judge import judge


def check(question: Question) -> Check:
    """The gradient of ⟨gradient, v⟩, v random, of manual against the reference's, in float64."""
    pairing = question.pairing
    try:
        expected = _second(question.reference_case(), question, {})
    except Exception as error:
        return Check(NOT_AVAILABLE, f"not supported by the reference: {said(error)}")
    try:
        found = _second(question.manual_case(), question, dict(pairing.tensors))
    except Exception as error:
        return Check(WRONG, f"it cannot be differentiated again: {said(error)}")
    wrong = []
    for name, right in expected.items():
        theirs = found.get(name)
        if right is None and theirs is None:
            continue
        right = torch.zeros_like(theirs) if right is None and theirs is not None else right
        theirs = torch.zeros_like(right) if theirs is None and right is not None else theirs
        if not judge(name, "parameter", theirs, right, right).passed:
            wrong.append(name)
    if wrong:
        return Check(WRONG, f"its second gradient is wrong for {', '.join(wrong)}")
    return Check(AGREES, f"{len(expected)} second gradients, in float64")


def _second(case: Case, question: Question, names: dict[str, str]) -> dict[str, Tensor | None]:
    """By the reference's names, which are those of manual translated."""
    model, loss = case.copies(torch.float64)
    given = Case.given(question.given, torch.float64)
    named = {names.get(name, name): p for name, p in parameters(model).items()}
    leaves = {**{f"input {i}": x for i, x in enumerate(given.differentiated)}, **named}
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        given.random_state.restore()
        output = model(*given.args, **given.kwargs)
        if loss is not None:
            output = loss(output) if given.targets is None else loss(output, given.targets)
        roots = list(tensors_in(output))
        first = torch.autograd.grad(
            roots,
            list(leaves.values()),
            [c.double() for c in question.cotangents()],
            create_graph=True,
            allow_unused=True,
        )
        along = _along(first, list(leaves))
        if not along.requires_grad:  # linear in everything: the second gradient is zero
            return dict.fromkeys(leaves)
        second = torch.autograd.grad(along, list(leaves.values()), allow_unused=True)
    return dict(zip(leaves, second, strict=True))


def _along(gradients: Sequence[Tensor | None], names: Sequence[str]) -> Tensor:
    """⟨gradient, v⟩ with a v that depends on the name alone, the same on both sides."""
    total = torch.zeros((), dtype=torch.float64)
    for name, gradient in zip(names, gradients, strict=True):
        if gradient is not None:
            generator = torch.Generator().manual_seed(sum(name.encode()))
            v = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
            total = total.to(gradient.device) + (gradient * v.to(gradient.device)).sum()
    return total
