"""The exercises are the layers' own lines: what is asked for, what is shown, what is right."""

import pytest
import torch

from compare.exercises import from_catalogue
from compare.exercises.answering import answer
from compare.exercises.checking import is_blank
from compare.exercises.course import COURSE
from compare.exercises.exercise import Source
from compare.exercises.folder import file_name, page
from compare.exercises.making import BLANK, Made, made
from compare.exercises.selftest import right_answers, wrong_answers
from compare.exercises.shown_numbers import numbers
from compare.exercises.trials import example_trial, is_right, right, solution, trials

EACH = pytest.mark.parametrize("exercise", COURSE, ids=lambda e: e.name)


def test_there_are_enough_in_order():
    names = [file_name(e) for e in COURSE]
    assert len(names) == len(set(names)) >= 32
    assert names[0] == "01_perceptron_rule.py"
    assert names[-1] == f"{len(COURSE)}_digits.py"


@EACH
def test_the_layers_line_is_what_autograd_says(exercise):
    names = solution(exercise)
    for trial in trials(exercise, seed=7):
        found = [
            x if x is None else torch.as_tensor(x) for x in answer(exercise, names, trial.scope)
        ]
        assert len(found) == len(trial.right)
        for x, true in zip(found, trial.right, strict=True):
            assert is_right(x, true, exercise.relative)


@EACH
def test_the_file_asks_and_does_not_tell(exercise):
    text = page(exercise)
    assert is_blank(text)
    assert not is_blank(page(exercise, made(exercise).answer))
    assert made(exercise).statement(made(exercise).answer) not in text
    assert f"Derive   {exercise.derive} = …" in text
    compile(text, "page", "exec")
    for hint in (exercise.equation, exercise.term):
        assert made(exercise).answer not in hint


@EACH
def test_the_example_comes_out_as_worked_by_hand(exercise):
    expected = [x for x in right(exercise, example_trial(exercise)) if x is not None]
    assert exercise.worked.endswith(f"= {', '.join(map(numbers, expected))}")
    whole = [x for x in exercise.example.values() if isinstance(x, list)]
    assert all(float(n) * 8 == round(float(n) * 8) for x in whole for n in _flat(x))


def _flat(x):
    for each in x:
        if isinstance(each, list):
            yield from _flat(each)
        else:
            yield from each.flatten().tolist() if isinstance(each, torch.Tensor) else [each]


@EACH
def test_there_are_wrong_ones_and_right_ones(exercise):
    answers = dict(wrong_answers(exercise))
    assert len(answers) >= 5
    assert all(answers.values())
    assert len(set(right_answers(exercise)) - {made(exercise).answer}) >= 2


def test_the_catalogue_has_its_share():
    found = {e.name: len(list(from_catalogue.wrong(e))) for e in COURSE if e.entry}
    assert found["linear_weight"] >= 10
    assert sum(found.values()) >= 20


def test_a_line_that_is_no_longer_there_is_told():
    exercise = next(e for e in COURSE if e.name == "linear_weight")
    source = exercise.source._replace(blank="grad_weights =")
    with pytest.raises(LookupError, match="0 statements of LinearFunction"):
        made(exercise._replace(name="gone", source=source))


def test_a_line_that_drifts_from_the_forward_is_seen():
    """The check above can fail: the same exercise on another forward."""
    exercise = next(e for e in COURSE if e.name == "sigmoid_slope")
    other = exercise._replace(name="drifted", forward=torch.tanh, source=Source(
        exercise.source.of, "return", names={"input": "z"}))  # fmt: skip
    trial = trials(other._replace(forward=lambda z: torch.tanh(z)))[-1]
    [found] = answer(exercise, solution(exercise), trial.scope)
    assert not is_right(found, trial.right[0])


def test_a_statement_keeps_its_place():
    piece = Made((), "", "", "def f(x):\n    if x:\n        _here_", "y = ", "x")
    assert piece.with_answer("x + 1").endswith("        y = x + 1\n")
    assert piece.with_answer("z = x\ny = z").endswith("        z = x\n        y = z\n")
    assert piece.with_answer(BLANK).endswith("        y = ...\n")
