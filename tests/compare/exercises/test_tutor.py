"""The tutor of a folder: what it writes, says, remembers and gives away."""

import json

import pytest

from compare.exercises import watching
from compare.exercises.commands import main
from compare.exercises.course import COURSE
from compare.exercises.folder import PROGRESS, page
from compare.exercises.hints import with_gap
from compare.exercises.making import made
from compare.exercises.tutor import Tutor
from compare.exercises.watching import watch

FIRST = COURSE[0]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["start", ".", "--only", "1,linear_weight,digits"]) == 0
    return tmp_path


def answer(folder, name, text):
    exercise = next(e for e in COURSE if e.name == name)
    Tutor(folder).path(exercise).write_text(page(exercise, text), encoding="utf-8")


def test_it_starts_and_leaves_what_is_there(folder, capsys):
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["01_perceptron_rule.py", "16_linear_weight.py", "47_digits.py"]
    answer(folder, "linear_weight", "mine")
    assert main(["start", ".", "--only", "16"]) == 0
    assert "1 were already there and are unchanged" in capsys.readouterr().out
    assert "return mine" in (folder / "16_linear_weight.py").read_text()


def test_a_learners_way(folder, capsys):
    assert main(["check"]) == 1
    assert "perceptron_rule: not yet done" in capsys.readouterr().out
    assert main(["solution", "perceptron_rule"]) == 2
    answer(folder, "linear_weight", "delta.T @ x / len(x)")
    assert main(["check", "16_linear_weight.py"]) == 1
    for step, said in enumerate(("the equation: ", "averaged over the batch", "____"), 1):
        assert main(["hint", "linear_weight"]) == 0
        out = capsys.readouterr().out
        assert f"hint {step} of 3 for linear_weight" in out
        assert said in out
    answer(folder, "linear_weight", "delta.T @ x")
    assert main(["check", "16"]) == 0
    assert "next: 01_perceptron_rule.py" in capsys.readouterr().out
    assert main(["solution", "16"]) == 0
    assert main(["list"]) == 0
    assert main(["next"]) == 0
    out = capsys.readouterr().out
    assert "return delta.T @ x\nfrom manual_backprop.affine.linear" in out
    assert "1 of 3 solved" in out
    assert main(["grade", ".", "--json", "--only", "16,1"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["solved"] == 1
    linear, perceptron = report["exercises"]
    assert (linear["solved"], linear["attempts"], linear["hints"]) == (True, 2, 3)
    assert linear["mistakes"] == ["averaged instead of summed"]
    assert (perceptron["state"], perceptron["attempts"]) == ("not yet done", 0)
    assert main(["reset", "16"]) == 0
    assert (folder / "16_linear_weight.py").read_text() == page(COURSE[15])
    assert "delta.T @ x" in (folder / "16_linear_weight.py.before").read_text()


def test_who_gives_up_is_shown(folder, capsys):
    assert main(["solution", "perceptron_rule", "--give-up"]) == 0
    assert made(FIRST).answer in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"linear_weight": 3}', '{"x": {"solved": 1}}'])
def test_lost_progress_is_harmless(folder, text):
    (folder / PROGRESS).write_text(text)
    answer(folder, "linear_weight", "delta.T @ x")
    tutor = Tutor(folder)
    assert tutor.check(COURSE[15]).solved
    assert Tutor(folder).progress["linear_weight"]["attempts"] == 1


def test_what_is_saved_is_checked(folder):
    tutor, said = Tutor(folder), []
    steps = iter(["-delta.T @ x", "delta.T @ x"])

    def done():
        if (step := next(steps, None)) is not None:
            answer(folder, "linear_weight", step)
        return step is None and len(said) == 2

    watch(tutor, lambda exercise, verdict: said.append((exercise.name, verdict.state)), done)
    assert said == [("linear_weight", "wrong"), ("linear_weight", "solved")]


def test_watching_ends_with_ctrl_c_without_an_error(folder, monkeypatch, capsys):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "watch", pressed)
    assert main(["watch", "--dir", str(folder)]) == 1
    said = capsys.readouterr()
    assert "stopped" in said.out
    assert not said.err


def test_digits_are_read_by_the_learners_own_layers(folder):
    pytest.importorskip("sklearn")
    answer(folder, "digits", "w.sub_(v, alpha=lr)")
    tutor = Tutor(folder)
    assert "solve network_backward first" in str(tutor.check(COURSE[-1]))
    for exercise in COURSE:
        if exercise.name in ("network_backward", "momentum"):
            answer(folder, exercise.name, made(exercise).answer)
    verdict = tutor.check(COURSE[-1])
    assert verdict.solved
    assert "your own layers read 9" in str(verdict)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "softmax2"], "there is no exercise 'softmax2'"),
        (["check", "99"], "there is no exercise '99'"),
        (["check", "--dir", "elsewhere"], "elsewhere has no exercises"),
        (["grade", "elsewhere"], "elsewhere has no exercises"),
        (["list", "--seed", "-1"], "expected a whole number"),
        (["nothing"], "invalid choice"),
        ([], "required: COMMAND"),
    ],
)
def test_bad_input_is_one_line(folder, capsys, arguments, said):
    try:
        code = main(arguments)
    except SystemExit as exit:
        code = exit.code
    found = capsys.readouterr().err
    assert code == 2
    assert said in found
    assert found.count("\n") == 1


@pytest.mark.parametrize("exercise", COURSE, ids=lambda e: e.name)
def test_every_line_has_a_gap(exercise):
    assert "____" in with_gap(exercise)
    assert made(exercise).answer not in with_gap(exercise)
