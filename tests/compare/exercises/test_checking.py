"""What is said of an answer: right, wrong and why, not by hand, no Python, no end."""

import pytest
import torch

from compare.exercises import answering, check
from compare.exercises.checking import NOT_DONE, SOLVED, WRONG, check_text
from compare.exercises.course import COURSE
from compare.exercises.folder import page
from compare.exercises.making import made
from compare.exercises.selftest import run

LINEAR = next(e for e in COURSE if e.name == "linear_weight")


def verdict(answer, exercise=LINEAR):
    return check_text(exercise, page(exercise, answer), "mine.py")


@pytest.mark.parametrize(
    ("answer", "cause", "said"),
    [
        ("delta.T @ x / len(x)", "averaged instead of summed", "averaged over the batch"),
        ("-delta.T @ x", "sign", "wrong sign"),
        ("x.T @ delta", "transposed", "transposed"),
        ("delta.T @ torch.ones_like(x)", "missing factor", "one with `x` in it"),
        ("delta.T @ x * x.mean()", "unknown", "no known mistake explains it"),
        ("delta", "passed through", "`delta`, passed through unchanged"),
        ("'δᵀx'", "missing result", "not a tensor"),
        ("delta.float().T @ x.float()", "lower precision than claimed", "float32"),
    ],
)
def test_the_cause(answer, cause, said):
    found = verdict(answer)
    assert (found.state, found.cause.name) == (WRONG, cause)
    assert said in found.cause.sentence
    assert made(LINEAR).answer not in str(found)


def test_the_counterexample_is_small_and_whole():
    lines = verdict("delta.T @ x / len(x)").lines[1:]
    numbers = [line.split(" = ")[1] for line in lines]
    assert [line.split()[0] for line in lines] == ["given", "given", "you", "it"]
    assert all(len(text) < 20 and "." not in text for text in numbers[:2])


def test_right_otherwise_and_slower_is_right():
    slow = "grad = torch.zeros(delta.shape[1], x.shape[1], dtype=x.dtype)\n"
    slow += "for d, row in zip(delta, x):\n    for o in range(len(d)):\n"
    assert verdict(slow + "        grad[o] += d[o] * row\nreturn grad").solved


@pytest.mark.parametrize(
    ("answer", "who"),
    [
        (
            "W = torch.zeros(delta.shape[1], x.shape[1], dtype=x.dtype, requires_grad=True)\n"
            "with torch.enable_grad():\n    return torch.autograd.grad(x @ W.T, W, delta)[0]",
            "autograd",
        ),
        (
            "W = torch.zeros(delta.shape[1], x.shape[1], dtype=x.dtype).requires_grad_()\n"
            "try:\n    with torch.enable_grad():\n        (x @ W.T).backward(delta)\n"
            "except Exception:\n    pass\nreturn delta.T @ x",
            "autograd",
        ),
        (
            "W = torch.zeros(delta.shape[1], x.shape[1], dtype=x.dtype)\n"
            "return torch.func.vjp(lambda W: x @ W.T, W)[1](delta)[0]",
            "autograd",
        ),
        (
            "torch.ops.aten._softmax_backward_data(x, x, 1, x.dtype)\nreturn delta.T @ x",
            "PyTorch's own _softmax_backward_data",
        ),
        ("from manual_backprop import functional\nreturn delta.T @ x", "manual_backprop"),
        (
            "import importlib\nimportlib.import_module('manual_backprop.affine.linear')",
            "the reference",
        ),
    ],
)
def test_what_is_not_by_hand_is_told(answer, who):
    found = verdict(answer)
    assert (found.state, found.cause.name) == (WRONG, "not by hand")
    assert who in found.cause.sentence


@pytest.mark.parametrize(
    ("answer", "said", "line"),
    [
        ("delta.T @ (x", "SyntaxError", "delta.T @ (x"),
        ("delta.T @ y", "NameError: name 'y' is not defined", "return delta.T @ y"),
        ("delta @ x", "shapes cannot be multiplied", "return delta @ x"),
        ("torch.zeros(10**9, 8)", "Error", "return torch.zeros(10**9, 8)"),
        ("open('gone', 'w')", "only tensor arithmetic is allowed here", ""),
        ("__import__('socket').socket()", "only tensor arithmetic is allowed here", ""),
    ],
)
def test_errors_are_short_and_by_the_learners_line(answer, said, line):
    found = verdict(answer)
    assert found.cause.name == "raised an error"
    assert said in str(found)
    assert line in str(found)
    assert "compare/exercises" not in str(found)
    assert len(found.lines) <= 3


@pytest.mark.parametrize("answer", ["while True: pass", "import os\nos._exit(0)"])
def test_what_comes_to_no_end_is_stopped(answer, monkeypatch):
    monkeypatch.setattr(answering, "SECONDS", 2.0)
    assert verdict(answer).cause.name == "no end"


def test_blank_and_empty_are_not_yet_done():
    assert verdict("...").state == NOT_DONE
    assert check_text(LINEAR, "", "mine.py").state == NOT_DONE
    assert verdict("delta[..., :].T @ x").state == SOLVED


def test_what_it_prints_is_shown():
    found = verdict("print('shape', delta.shape)\nreturn delta.T @ x")
    assert found.solved
    assert "shape torch.Size([1, 1])" in str(found)


def test_a_function_in_a_notebook():
    def grad_weight(delta, x):
        return delta.T @ x

    def mine(delta, x):
        return -delta.T @ x

    assert check(grad_weight, "linear_weight").solved
    assert check(mine, "linear_weight").cause.name == "sign"
    with pytest.raises(LookupError, match="one of linear_weight_of_one, linear_weight"):
        check(grad_weight)


def test_a_function_without_a_source():
    names = {}
    exec("def sigmoid_gradient(g, a):\n    return g * a * (1 - a)", names)
    assert check(names["sigmoid_gradient"], "sigmoid_slope").solved


def test_a_function_class_in_a_notebook():
    class Tanh(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(a := z.tanh())
            return a

        @staticmethod
        def backward(ctx, g):
            (a,) = ctx.saved_tensors
            return g * (1 - a.detach() ** 2)

    assert check(Tanh).cause.name == "not differentiable again"


def test_the_selftest_counts_and_can_fail():
    exercise = next(e for e in COURSE if e.name == "tanh_slope")
    found = run([exercise])
    assert (found.passed, found.found, found.rejected) == (True, found.wrong, 0)
    misled = exercise._replace(wrong={"g - a * a * g": "sign", "g": "sign"}, right=("g",), entry="")
    found = run([misled])
    assert (found.wrong, found.found, found.cause_right, found.rejected) == (2, 1, 0, 1)
    assert not found.passed
