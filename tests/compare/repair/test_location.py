"""Each fault has the line that it is written on, in everything that is written about it."""

import inspect
import json
import linecache

import pytest
import torch
from torch import nn

from compare import assert_gradients_match, compare_gradients
from compare.comparison import annotations
from compare.reports import html, junit
from tests.compare.repair import functions


def line_of(text):
    return 1 + [x.strip() for x in linecache.getlines(functions.__file__)].index(text)


def fault(report):
    [layer] = report.originators
    return layer.faults[0]


def linear():
    return compare_gradients(functions.Linear(4, 3), nn.Linear(4, 3), torch.randn(5, 4))


def test_the_line_of_the_gradient():
    source = fault(linear()).source
    text = "return g @ W, g.T @ x / len(x), g.sum(0)"
    assert (source.file, source.text) == (functions.__file__, text)
    assert (source.line, source.function) == (line_of(text), "LinearFunction.backward")


def test_through_decorators_to_where_a_name_gets_its_value():
    source = fault(compare_gradients(functions.tanh, torch.tanh, torch.randn(5, 4))).source
    assert source.text == "grad_x = slope(g, a)"


def test_without_a_source_it_is_the_line_of_the_call():
    function = functions.without_source()
    source = fault(compare_gradients(function, torch.tanh, torch.randn(5, 4))).source
    assert source.text == inspect.getsource(function).strip()
    assert source.line == function.__code__.co_firstlineno


def test_a_wrong_forward_has_the_line_of_what_it_returns():
    source = fault(compare_gradients(functions.tanh, torch.sigmoid, torch.randn(5, 4))).source
    assert source.text == "return x.tanh()"


def test_an_error_has_the_line_that_raised_it():
    class Raises(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.tanh()

        @staticmethod
        def backward(ctx, g):
            g = g + torch.ones(3, 7)
            return g

    source = fault(compare_gradients(Raises.apply, torch.tanh, torch.randn(5, 4))).source
    assert source.text == "g = g + torch.ones(3, 7)"


def test_in_every_report(monkeypatch):
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    report = linear()
    line, text = fault(report).source.line, "return g @ W, g.T @ x / len(x), g.sum(0)"
    place = f"tests/compare/repair/functions.py:{line}    {text}"
    [layer] = [x for x in json.loads(json.dumps(report.as_json()))["layers"] if x["faults"]]
    assert layer["faults"][0]["source"] == {
        "file": functions.__file__,
        "line": line,
        "function": "LinearFunction.backward",
        "text": text,
    }
    assert place in str(report)
    assert place in junit.document(report)
    assert text in html.page(report)
    [annotation] = annotations.lines(report)
    assert annotation.startswith(
        f"::error file=tests/compare/repair/functions.py,line={line},title="
    )
    with pytest.raises(AssertionError, match=f"functions.py:{line}    return g @ W"):
        assert_gradients_match(functions.Linear(4, 3), nn.Linear(4, 3), torch.randn(5, 4))


class ForwardAlone(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (2 * x).sin()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x.cos()


def test_a_right_backward_below_a_wrong_forward_is_told():
    found = fault(compare_gradients(ForwardAlone.apply, torch.sin, torch.randn(5, 4)))
    assert found.gradient == "output"
    assert found.diagnosis.sentence.endswith(
        "its backward is the derivative of the correct forward"
    )
    assert found.source.text == "return (2 * x).sin()"
