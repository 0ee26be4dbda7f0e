"""The rules that others judge a gradient by, on the same models.

Each compares the gradients of one backward, as tests usually do it: of the loss where there is one,
else of the sum of the outputs. All in float32 but for gradcheck, which is in float64 and knows no
reference.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from compare.trial.given import tensors_in
from compare.trial.pairing import pair, with_state_of
from compare.trial.question import Question

Gradients = dict[str, Tensor]
Rule = Callable[[Tensor, Tensor], bool]


def allclose(rtol: float, atol: float) -> Rule:
    """Element by element."""
    return lambda m, a: torch.allclose(m, a, rtol=rtol, atol=atol)


def _cosine(m: Tensor, a: Tensor) -> bool:
    return bool(torch.cosine_similarity(m.flatten(), a.flatten(), dim=0) > 0.99)


#: By name, as they are found in published tests and tutorials.
RULES: Mapping[str, Rule] = {
    "torch.allclose, defaults": allclose(1e-5, 1e-8),
    "torch.allclose, atol 2e-2": allclose(1e-5, 2e-2),
    "mean |d| < 1e-6": lambda m, a: bool((m - a).abs().mean() < 1e-6),
    "cosine > 0.99": _cosine,
    "bfloat16 as PyTorch: rtol 1.6e-2, atol 1e-3": allclose(1.6e-2, 1e-3),
    "bfloat16 as DeepSpeed: rtol 0.48, atol 0.032": allclose(0.48, 0.032),
}
GRADCHECK = "torch.autograd.gradcheck"


def verdicts(question: Question, rules: Mapping[str, Rule] = RULES) -> dict[str, bool]:
    """For each of these rules, and gradcheck, whether it lets manual pass."""
    try:
        pairing = pair(question.manual, question.reference)
        manual = with_state_of(question.reference, question.manual, pairing)
        ours = _gradients(manual, question, 0)
    except RuntimeError:  # PyTorch itself refuses the shape of a gradient
        return dict.fromkeys([*rules, GRADCHECK], False)
    theirs = _gradients(copy.deepcopy(question.reference), question, 1)
    found = {}
    for name, rule in rules.items():
        found[name] = all(
            (m := ours.get(pairing_key)) is not None and m.shape == a.shape and rule(m, a)
            for twin, a in theirs.items()
            for pairing_key in [_key(twin, pairing.tensors)]
        )
    found[GRADCHECK] = _gradcheck(manual, question)
    return found


def _key(twin: str, tensors: Mapping[str, str]) -> str:
    return next((ours for ours, theirs in tensors.items() if theirs == twin), twin)


def _objective(model: Any, question: Question, side: int, inputs: list[Tensor]) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # of the CPU alone: a hundred times faster
        output = model(*inputs)
    if question.loss is not None:
        targets = question.targets
        if targets.is_floating_point():
            targets = targets.to(output.dtype)
        return question.losses[side](output, targets)
    return sum((x.sum() for x in tensors_in(output)), torch.zeros(()))


def _gradients(model: Any, question: Question, side: int) -> Gradients:
    inputs = [x.detach().clone().requires_grad_(x.is_floating_point()) for x in question.inputs]
    named = {f"input {i}": x for i, x in enumerate(inputs) if x.requires_grad}
    if isinstance(model, nn.Module):
        named |= dict(model.named_parameters())
    objective = _objective(model, question, side, inputs)
    found = torch.autograd.grad(objective, list(named.values()), allow_unused=True)
    return {n: g for n, g in zip(named, found, strict=True) if g is not None}


def _gradcheck(manual: Any, question: Question) -> bool:
    model = copy.deepcopy(manual).double()
    inputs = [x.double() if x.is_floating_point() else x for x in question.inputs]
    inputs = [x.detach().requires_grad_(x.is_floating_point()) for x in inputs]
    parameters = list(model.parameters())

    def run(*tensors: Tensor) -> Tensor:  # the parameters are the model's own, moved in place
        return _objective(model, question, 0, list(tensors[: len(inputs)]))

    try:
        return torch.autograd.gradcheck(run, (*inputs, *parameters), raise_exception=False)
    except RuntimeError:
        return False
