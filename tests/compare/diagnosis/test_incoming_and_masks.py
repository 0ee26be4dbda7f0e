"""What is said of gradients that belong to another incoming gradient, or lack a mask."""

import pytest
import torch
from torch import nn

from compare import compare_gradients
from compare.catalogue.host import Host, batch
from compare.diagnosis.mistake import Mistake
from compare.mutants.museum.exhibit import Operation

TANH = nn.Tanh()
HALF = Operation(lambda x, m: m * x.sin() + 2, buffers=[torch.tensor([1.0, 0.0, 1.0])])
WRITTEN_OVER = (
    "its backward overwrites the incoming gradient, which other operations may still read"
)


def in_place(g, x, a):
    """Wrong in numbers as well: what it multiplies by has been written over."""
    dx = g if g.is_contiguous() else g.clone()
    dx.data.mul_(a)
    return dx * (1 - a * dx)


@pytest.mark.parametrize(
    ("layer", "formula", "mistake", "sentence"),
    [
        (
            TANH,
            lambda g, x, a: g.flatten()[0] * (1 - a * a),
            Mistake.IGNORES_INCOMING,
            "it uses the first element of the incoming gradient for every element",
        ),
        (
            TANH,
            lambda g, x, a: x,
            Mistake.IGNORES_INCOMING,
            "it is the same whatever the incoming gradient is",
        ),
        (
            TANH,
            lambda g, x, a: g * (1 - a * a) + x.sin(),
            Mistake.ADDED,
            "something is added to it that does not depend on the incoming gradient",
        ),
        (
            HALF,
            lambda g, x, m: g * x.cos(),
            Mistake.MISSING_FACTOR,
            "the factor `constant` is missing: `constant * sin(input)`",
        ),
        (
            HALF,
            lambda g, x, m: g * m * x.cos() * (g > g.mean(0)),
            Mistake.IN_A_PART,
            "it is zero where it should not be",
        ),
        (TANH, in_place, Mistake.WRITTEN_OVER, WRITTEN_OVER),
    ],
)
def test_name(layer, formula, mistake, sentence):
    question = Host(lambda: [layer], 0, batch(5, 3)).plant(formula)
    report = compare_gradients(question.manual, question.reference, *question.inputs, repair=0)
    [layer] = report.originators
    found = {fault.gradient: fault.diagnosis for fault in layer.faults}
    assert found["input"].mistake is mistake, found
    assert found["input"].sentence.startswith(sentence)
