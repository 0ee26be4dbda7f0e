"""Names that mean something to where they are shown are shown as they are, and do nothing."""

import json
import re
from xml.etree import ElementTree as ET

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from compare import compare_gradients
from compare.command import console
from compare.command.writing import write_json, write_text
from compare.comparison import annotations
from compare.reports import html, junit, tensorboard, terminal
from torch_models.printable import printable

NAMES = ["age[years]", "a[/b]", "a\nb", "a\x1b[31m", "a\udcff", "a\x9b", "a\u202eb", "a|b", "<b>"]


class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, W):
        ctx.save_for_backward(x, W)
        return x @ W

    @staticmethod
    def backward(ctx, g):
        x, W = ctx.saved_tensors
        return g @ W.T, -x.T @ g


class Layer(nn.Module):
    def __init__(self, name, product):
        super().__init__()
        self.weight_named, self.product = name, product
        self.register_parameter(name, nn.Parameter(torch.randn(3, 3)))

    def forward(self, x):
        return self.product(x, getattr(self, self.weight_named))


class Network(nn.Module):
    def __init__(self, name, product):
        super().__init__()
        self.layer_named = name
        self.add_module(name, Layer(name, product))

    def forward(self, x):
        return self.get_submodule(self.layer_named)(x)


@pytest.mark.parametrize("name", NAMES)
def test_everywhere(name, tmp_path, capsys):
    manual, reference = Network(name, Wrong.apply), Network(name, torch.matmul)
    report = compare_gradients(manual, reference, torch.randn(4, 3))
    assert not report.passed
    terminal.show(report)
    for line in annotations.lines(report):
        console.plain(line)
    write_text(tmp_path / "out.html", html.page(report), "--html")
    write_text(tmp_path / "out.xml", junit.document(report), "--junit")
    write_json(tmp_path / "out.json", report.as_json())
    tensorboard.write(report, tmp_path / "run")
    shown = printable(name)
    out = capsys.readouterr().out
    files = [(tmp_path / f"out.{kind}").read_bytes().decode() for kind in ("html", "xml", "json")]
    for text in (out, str(report), *files):
        assert text.replace("\n", "").isprintable()
    assert shown in out
    assert shown in str(report)
    assert any(shown in case.get("name", "") for case in ET.fromstring(files[1].encode()).iter())
    known = name if name != "a\udcff" else shown
    assert any(known in row["name"] for row in json.loads(files[2])["rows"])
    events = EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    assert any(shown.replace(" ", "_") in tag for tag in events.Tags()["scalars"])


def test_thirty_lines_of_failures(capsys, monkeypatch):
    assert console.MOST == 30
    monkeypatch.setattr(console, "MOST", 3)
    wrong = nn.Sequential(*(Layer("W", Wrong.apply) for _ in range(4)))
    right = nn.Sequential(*(Layer("W", torch.matmul) for _ in range(4)))
    terminal.show(compare_gradients(wrong, right, torch.randn(4, 3)))
    lines = capsys.readouterr().out.splitlines()
    # With the line that each of them is written on, which counts, too.
    assert sum("instead of" in line for line in lines) == 2
    assert any(
        re.fullmatch(r"… and \d+ more: --html FILE, --json FILE or --junit FILE lists them all", x)
        for x in lines
    )
    assert sum("│ bug" in line for line in lines) == console.MOST
    assert lines[-1].endswith("; and 1 more")


class Negative(torch.autograd.Function):
    """Of zeros, −0."""

    @staticmethod
    def forward(ctx, x, W):
        ctx.save_for_backward(x, W)
        return x @ W

    @staticmethod
    def backward(ctx, g):
        x, W = ctx.saved_tensors
        grad_W = x.T @ g
        return g @ W.T, torch.where(grad_W == 0, -0.0, grad_W)


def test_only_the_sign_of_zero(capsys):
    x = torch.randn(4, 3)
    x[:, 0] = 0
    report = compare_gradients(Layer("W", Negative.apply), Layer("W", torch.matmul), x)
    terminal.show(report)
    out = capsys.readouterr().out
    assert "±0" in next(line for line in out.splitlines() if "│ W " in line)
    assert "±0: the two differ only in the sign of zero." in out
    assert "ULP: how many floating-point numbers lie between the two values." in out
    assert "±0" in html.page(report)
