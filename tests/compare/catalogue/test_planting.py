"""Formulas are planted in layers of every kind, and what is right stays so."""

import pytest
import torch
from torch import nn

from compare import mutants
from compare.catalogue import entries
from compare.catalogue.host import Host, batch, between
from compare.catalogue.specimen import Bug, planted
from compare.diagnosis.mistake import Mistake


@pytest.fixture(autouse=True)
def without_the_rules_of_others(monkeypatch):
    monkeypatch.setattr("compare.mutants.rules.verdicts", lambda *_: {})


def outcome(host, formula, gradient=None, mistake=Mistake.TWICE):
    """Of a wrong formula for one gradient, or of a right one for all."""
    if gradient is None:
        [specimen] = planted("layer", host, right={"": formula})
    else:
        [specimen] = planted("layer", host, wrong={"": Bug(mistake, formula, gradient=gradient)})
    return mutants.examine(specimen)


BILINEAR = Host(
    lambda: [nn.Bilinear(4, 3, 6), nn.Linear(6, 5)], 0, (batch(9, 4), batch(9, 3, seed=6))
)
EINSUMS = {
    "input 0": lambda g, x, y, w, b: torch.einsum("no,nj,oij->ni", g, y, w),
    "input 1": lambda g, x, y, w, b: torch.einsum("no,ni,oij->nj", g, x, w),
    "weight": lambda g, x, y, w, b: torch.einsum("no,ni,nj->oij", g, x, y),
    "bias": lambda g, x, y, w, b: g.sum(0),
}


def test_several_inputs():
    found = outcome(BILINEAR, lambda *given: tuple(f(*given) for f in EINSUMS.values()))
    assert found.passed, found.sentences


@pytest.mark.parametrize("gradient", EINSUMS)
def test_one_gradient_of_several(gradient):
    found = outcome(BILINEAR, lambda *given: 2 * EINSUMS[gradient](*given), gradient)
    assert found.blamed, found.places
    assert found.places == (("0", gradient),)
    assert found.diagnosed


def batch_norm(g, x, w, b, mean, variance, batches, training):
    """The buffers come last; in training they are not what x is normalised by."""
    if not training:
        x_hat = (x - mean) / (variance + 1e-5).sqrt()
        return g * w / (variance + 1e-5).sqrt(), (g * x_hat).sum(0), g.sum(0)
    σ = (x.var(0, correction=0) + 1e-5).sqrt()
    x_hat = (x - x.mean(0)) / σ
    grad_w, grad_b = (g * x_hat).sum(0), g.sum(0)
    return w / σ * (g - grad_b / len(x) - x_hat * grad_w / len(x)), grad_w, grad_b


def test_buffers():
    host = between(nn.BatchNorm1d(6))
    assert outcome(host, batch_norm).passed
    twice = lambda *given, training: 2 * batch_norm(*given, training)[1]  # noqa: E731
    found = outcome(host, twice, "weight")
    assert found.blamed
    question = host.plant(batch_norm)
    question.manual(*question.inputs)
    question.reference(*question.inputs)
    torch.testing.assert_close(question.manual[1].running_var, question.reference[1].running_var)
    assert not question.manual[1].running_var.equal(torch.ones(6))


def test_random_numbers_are_those_of_the_forward():
    def masked(g, x, a, training):
        return g * torch.nn.functional.dropout(torch.ones_like(x), 0.3, training)

    def drawn_again(g, x, a, training):
        torch.rand(1)
        return masked(g, x, a, training)

    host = between(nn.Dropout(0.3))
    assert outcome(host, masked).passed
    assert outcome(host, drawn_again, "input").killed


@pytest.mark.parametrize("name", ["CosineSimilarity", "CosineEmbeddingLoss"])
@pytest.mark.parametrize("length", [0.0, 1e-5, 1.0])
def test_right_cosines_have_the_epsilon_of_pytorch(name, length):
    entry = next(entry for entry in entries() if entry.name == name)
    [specimen] = [specimen for specimen in entry.specimens() if specimen.is_right]
    question = specimen.build()
    manual, reference = question.loss or (question.manual[0], question.reference[0])
    vectors = [batch(9, 5).double(), batch(9, 5, seed=6).double()]
    vectors[0][2] *= length

    def gradient(of):
        x = vectors[0].clone().requires_grad_()
        of(x, vectors[1]).sum().backward()
        return x.grad

    torch.testing.assert_close(gradient(manual), gradient(reference), rtol=1e-9, atol=0.0)
