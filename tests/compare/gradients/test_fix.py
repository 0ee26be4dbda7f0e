"""``--repair`` and ``--fix`` on the command line."""

import json

import pytest

from compare import gradients

MODELS = """
import torch
from torch import nn


class Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        a = z.tanh()
        ctx.save_for_backward(a)
        return a

    @staticmethod
    def backward(ctx, g):
        (a,) = ctx.saved_tensors
        return g * (1 + a * a)


def manual(z):
    return Function.apply(z)


def reference(z):
    return torch.tanh(z)
"""
DIFF = [
    "-        return g * (1 + a * a)",
    "+        return g * (1 - a * a)",
]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MODELS)

    def command(*options):
        names = ("mine.py:manual", "mine.py:reference", "--shape", "4,3")
        assert gradients.main([*names, *options]) == 1
        assert (tmp_path / "mine.py").read_text() == MODELS
        return capsys.readouterr()

    return command


def test_the_line_and_the_change(run, tmp_path):
    out = run("--repair", "60", "--json", "out.json", "--fix").out
    assert "mine.py:16    return g * (1 + a * a)" in out
    assert "change to     return g * (1 - a * a)    correct on all " in out
    diff = out[out.index("--- a/mine.py") :].splitlines()
    assert diff[:2] == ["--- a/mine.py", "+++ b/mine.py"]
    assert [line for line in diff[2:] if line[0] in "+-"] == DIFF
    [layer] = json.loads((tmp_path / "out.json").read_text())["layers"]
    [fault] = layer["faults"]
    assert fault["source"]["line"] == fault["repair"]["line"] == 16
    assert fault["repair"]["new"] == "return g * (1 - a * a)"
    assert set(fault["repair"]) == {"file", "line", "old", "new", "trials", "alternatives"}


def test_to_a_file(run, tmp_path):
    run("--repair", "60", "--fix", "change.patch")
    assert DIFF[1] in (tmp_path / "change.patch").read_text()


def test_off(run):
    out = run("--repair", "off").out
    assert "mine.py:16    return g * (1 + a * a)" in out
    assert "change to" not in out


@pytest.mark.parametrize("text", ["soon", "-1", "inf"])
def test_bad_input(text, capsys):
    with pytest.raises(SystemExit) as caught:
        gradients.main([f"--repair={text}"])
    assert caught.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "expected off or a number of seconds" in line
