"""A layer against its own forward, where there is no other layer to hold it against.

Along a direction d the output changes by (f(x + hd) − f(x − hd)) / 2h, and what the backward makes
of an incoming gradient c must agree with that: ⟨backward(c), d⟩ = ⟨c, ∂f/∂d⟩. A random direction
sees every wrong number at once, at the cost of two forwards.
"""

import torch
from torch import Tensor

from compare.trial.case import Case
from compare.trial.cotangents import feed, random
from compare.trial.errors import ComparisonError
from compare.trial.given import Given
from compare.trial.key import Kind
from compare.trial.watch import Item

_STEP = 1e-6  # near the cube root of float64's eps: truncation and rounding are then equally small
_AGREE = 1e-5  # relative to the size of the terms; what is left of both errors is about 1e-9
DIRECTIONS = 4


def contradictions(case: Case, given: Given) -> list[Item]:
    """The gradients that are not derivatives of the forward, in float64, at what is given.

    Raises:
        Exception: Whatever the model raises in float64.
    """
    inside = Case.given(given, torch.float64)
    outputs = _outputs(case, inside, {})
    cotangents = feed(random, outputs, 0)
    items, _ = case.gradients(inside, cotangents, torch.float64)
    model, _ = case.copies(torch.float64)
    parameters = {
        name: p.detach().clone() for name, p in getattr(model, "named_parameters", dict)()
    }
    gradients = [i for i in items if i.kind is not Kind.OUTPUT and i.tensor is not None]
    if not any(bool(item.tensor.any()) for item in gradients if item.tensor is not None):
        raise ComparisonError("all of its gradients are zero")
    generator = torch.Generator().manual_seed(0)
    return [
        item
        for item in gradients
        if any(
            _contradicts(case, inside, parameters, cotangents, item, generator)
            for _ in range(DIRECTIONS)
        )
    ]


def _contradicts(
    case: Case,
    given: Given,
    parameters: dict[str, Tensor],
    cotangents: list[Tensor],
    item: Item,
    generator: torch.Generator,
) -> bool:
    gradient, key = item.tensor, item.key
    assert gradient is not None
    way = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)

    def at(step: float) -> list[Tensor]:
        if key.kind is Kind.PARAMETER:
            return _outputs(case, given, {key.name: parameters[key.name] + step * way})
        leaf = given.differentiated[key.place]
        moved = [x.detach() + step * way if x is leaf else x for x in given.tensors]
        return _outputs(case, given.with_values(moved), {})

    there, back = at(_STEP), at(-_STEP)
    slope = sum(
        float((c * (a - b)).sum()) / (2 * _STEP)
        for c, a, b in zip(cotangents, there, back, strict=True)
    )
    terms = gradient * way
    return abs(float(terms.sum()) - slope) > _AGREE * float(terms.abs().sum())


def _outputs(case: Case, given: Given, parameters: dict[str, Tensor]) -> list[Tensor]:
    items, _ = case.gradients(given, None, torch.float64, parameters=parameters)
    return case.differentiated(items)
