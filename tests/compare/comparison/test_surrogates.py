"""A gradient that is another one than the forward's on purpose."""

import pytest
import torch

from compare import compare_gradients
from compare.trial.errors import ComparisonError
from tests.compare.by_hand import by_hand, module, plain


def step(x):
    return (x > 0).to(x.dtype)


spike = by_hand(step, lambda g, x: g * torch.exp(-x.abs()))


def spiking(activation):
    torch.manual_seed(0)
    network = plain(5, 7, 6, 3)
    network[1] = module(activation)()
    return network


def test_the_side_without_a_gradient_is_named():
    report = compare_gradients(spiking(spike), spiking(step), torch.randn(9, 5))
    assert not report.passed
    [layer] = report.originators
    assert layer.name == "1"
    assert "the reference has no gradient here" in layer.faults[0].diagnosis.sentence


def test_one_that_is_declared_is_reported_and_passes():
    x = torch.randn(9, 5)
    report = compare_gradients(spiking(spike), spiking(step), x, surrogates=["1"])
    assert report.passed, str(report)
    verdicts = {layer.name: layer.verdict for layer in report.layers}
    assert verdicts == {**dict.fromkeys("01234", "correct"), "1": "surrogate"}
    [remark] = [layer.remark for layer in report.layers if layer.remark]
    assert remark == "input: the reference has no gradient here and manual has one"
    rows = {row.name: row.verdict for row in report.rows}
    assert rows["0.weight"] == "behind a surrogate"
    assert rows["4.weight"] == "exact"


def test_other_layers_are_judged_all_the_same():
    manual = spiking(spike)
    manual[3] = module(by_hand(torch.relu, lambda g, x: g))()
    report = compare_gradients(manual, spiking(step), torch.randn(9, 5), surrogates=["1"])
    assert [layer.name for layer in report.originators] == ["3"]


def test_a_layer_that_is_not_there():
    with pytest.raises(ComparisonError, match="surrogate 7: manual runs no layer of that name"):
        compare_gradients(spiking(spike), spiking(step), torch.randn(9, 5), surrogates=["7"])
