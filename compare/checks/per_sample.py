"""Is it the same for each sample under ``torch.vmap``."""

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from compare.checks.check import AGREES, NOT_AVAILABLE, WRONG, Check
from compare.trial.case import Case
from compare.trial.errors import said
from compare.trial.given import tensors_in
from compare.trial.question import Question, parameters
from compare.verdict.judge import judge


def check(question: Question) -> Check:
    """Per-sample gradients by ``vmap`` against one sample after the other, in float64."""
    batch = {x.shape[0] if x.dim() else 0 for x in question.given.tensors}
    if len(batch) != 1 or len(question.given.tensors) != len(question.given.args):
        return Check(NOT_AVAILABLE, "the inputs are not tensors with the same batch size")
    try:
        expected = _per_sample(question.reference_case(), question, by_vmap=False)
        _per_sample(question.reference_case(), question, by_vmap=True)
    except Exception as error:
        return Check(NOT_AVAILABLE, f"not supported by the reference: {said(error)}")
    try:
        found = _per_sample(question.manual_case(), question, by_vmap=True)
    except Exception as error:
        return Check(WRONG, f"it cannot be vmapped: {said(error)}")
    translated = question.pairing.tensors
    wrong = [
        name
        for name, theirs in found.items()
        if not judge(
            name, "parameter", theirs, (right := expected[translated.get(name, name)]), right
        ).passed
    ]
    if wrong:
        return Check(WRONG, f"wrong per sample: {', '.join(wrong)}")
    return Check(AGREES, f"{len(found) - 1} gradients of each of {batch.pop()} samples")


def _per_sample(case: Case, question: Question, *, by_vmap: bool) -> dict[str, Tensor]:
    """A weighted sum of the outputs and its gradients, one for each sample, by name."""
    model, _ = case.copies(torch.float64)
    given = Case.given(question.given, torch.float64)
    xs = [x.detach() for x in given.tensors]
    named = {name: p.detach() for name, p in parameters(model).items()}

    def along(values: dict[str, Tensor], *sample: Tensor) -> Tensor:
        args = tuple(x[None] for x in sample)
        called = isinstance(model, nn.Module)
        output = functional_call(model, values, args) if called else model(*args)
        total = sample[0].new_zeros(())
        for y in tensors_in(output):
            total = total + (y * torch.arange(1, y.numel() + 1).reshape(y.shape).cos()).sum()
        return total

    gradients = grad_and_value(along, argnums=tuple(range(len(xs) + 1)))
    with torch.random.fork_rng(devices=[]):
        if by_vmap:
            found, values = vmap(gradients, in_dims=(None, *[0] * len(xs)))(named, *xs)
            of_parameters, *of_inputs = found
        else:
            samples = [gradients(named, *sample) for sample in zip(*xs, strict=True)]
            values = torch.stack([value for _, value in samples])
            of_parameters = {n: torch.stack([s[0][n] for s, _ in samples]) for n in named}
            of_inputs = [torch.stack([s[i + 1] for s, _ in samples]) for i in range(len(xs))]
    of_inputs = {f"input {i}": x for i, x in enumerate(of_inputs)}
    return {"output": values, **of_parameters, **of_inputs}
