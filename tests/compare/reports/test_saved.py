"""A report in a notebook, and in files of its own."""

import json
from xml.etree import ElementTree as ET

import pytest
import torch
from torch import nn

from compare import compare_gradients
from compare.command.writing import NotWrittenError


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return 2 * g


class Wrong(nn.Module):
    def forward(self, x):
        return Doubled.apply(x)


@pytest.fixture(scope="module")
def report():
    torch.manual_seed(0)
    models = [nn.Sequential(nn.Linear(3, 4), last) for last in (Wrong(), nn.Identity())]
    return compare_gradients(*models, torch.randn(5, 3))


def test_one_line(report):
    assert repr(report).startswith("Report(FAILED in float32: 1 Wrong is wrong")
    assert "\n" not in repr(report)


def test_in_a_notebook_verdict_picture_and_tables(report):
    shown = report._repr_html_()
    assert "<b>✗ The backward is wrong in 1 Wrong</b>" in shown
    assert "<svg" in shown
    assert "<td>1 Wrong</td><td>wrong</td><td>input</td>" in shown
    assert "<td>0.weight</td>" in shown
    assert "<style" not in shown  # it would be the whole notebook's
    ET.fromstring(f"<div>{shown}</div>".replace("<br>", "<br/>"))


def test_names_are_no_markup():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_parameter("<script>", nn.Parameter(torch.ones(2)))

        def forward(self, x):
            return x * getattr(self, "<script>")

    shown = compare_gradients(Named(), Named(), torch.randn(3, 2))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_saved_as_its_name_says(report, tmp_path):
    for name in ("report.html", "report.json", "report.xml"):
        report.save(tmp_path / name)
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert ET.parse(tmp_path / "report.xml").getroot().tag == "testsuites"
    said = json.loads((tmp_path / "report.json").read_text())
    assert said == json.loads(report.to_json())
    assert (said["passed"], said["dtype"], said["seed"]) == (False, "float32", 0)
    assert said["layers"][1]["verdict"] == "wrong"


def test_names_and_places_that_cannot_be(report, tmp_path):
    with pytest.raises(ValueError, match=r"expected a name that ends in \.html, \.json, \.xml"):
        report.save("report.pdf")
    with pytest.raises(NotWrittenError, match="No such file"):
        report.save(tmp_path / "absent" / "report.html")
