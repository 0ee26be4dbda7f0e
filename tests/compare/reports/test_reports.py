import json
from xml.etree import ElementTree as ET

import pytest
import torch
from torch import nn

from compare import assert_gradients_match, compare_gradients
from compare.command.writing import NotWrittenError
from compare.comparison import annotations
from compare.reports import html, junit, tensorboard
from tests import chromium
from tests.compare.planted import PLANTED, batch, pair


@pytest.fixture(scope="module")
def failed():
    layer, fault, *_ = PLANTED["weight: mean for sum"]
    manual, reference, loss, reference_loss = pair(layer, fault)
    x, y = batch()
    return compare_gradients(manual, reference, x, loss=(loss, reference_loss), targets=y)


@pytest.fixture(scope="module")
def passed():
    manual, reference, *_ = pair()
    return compare_gradients(manual, reference, batch()[0])


def hostile():
    """A name that means something to each of the formats."""

    class Evil(nn.Tanh):
        def forward(self, x):
            return -super().forward(x)

    Evil.__name__ = "<script>alert(1)</script>%,:\x01"
    return compare_gradients(nn.Sequential(Evil()), nn.Sequential(nn.Tanh()), torch.randn(3, 4))


class TestJson:
    def test_layers(self, failed):
        found = json.loads(json.dumps(failed.as_json(), allow_nan=False))
        assert found["passed"] is False
        assert found["verdict"] == "bug"
        [culprit] = [x for x in found["layers"] if x["verdict"] == "wrong"]
        assert culprit["layer"] == "0"
        [fault] = culprit["faults"]
        assert fault["gradient"] == "weight"
        assert fault["factor"] == pytest.approx(1 / 13)
        assert (fault["input"], fault["cotangent"], fault["seed"]) == ("given", "received", 0)
        assert "1/13" in fault["diagnosis"]

    def test_verdict_of_what_agrees(self, passed):
        assert passed.as_json()["verdict"] == "exact"


class TestJUnit:
    def test_counts_and_messages(self, failed):
        suite = ET.fromstring(junit.document(failed).split("?>", 1)[1])[0]
        failures = suite.findall("testcase/failure")
        assert int(suite.get("failures")) == len(failures) == 2  # the layer and its tensor
        assert int(suite.get("tests")) == len(suite.findall("testcase")) == 6 + len(failed.rows)
        assert "1/13" in failures[0].get("message")

    def test_all_agree(self, passed):
        assert ET.fromstring(junit.document(passed).split("?>", 1)[1])[0].get("failures") == "0"

    def test_hostile_names(self):
        assert ET.fromstring(junit.document(hostile()).split("?>", 1)[1])


class TestAnnotations:
    def test_one_line_for_each_fault(self, failed, passed):
        [line] = annotations.lines(failed)
        assert line.startswith("::error file=tests/compare/planted.py,line=")
        assert ",title=0 Linear is wrong::weight: " in line
        assert annotations.lines(passed) == []

    def test_hostile_names(self):
        for line in annotations.lines(hostile()):
            title = line.removeprefix("::error title=").split("::")[0]
            assert "," not in title
            assert ":" not in title
            assert "\n" not in line

    def test_assertion_annotates_on_github_only(self, monkeypatch, capsys):
        layer, fault, *_ = PLANTED["ReLU: wrong sign"]
        manual, reference, *_ = pair(layer, fault)
        for name, there in (("GITHUB_ACTIONS", True), ("SOMETHING_ELSE", False)):
            monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
            monkeypatch.setenv(name, "true")
            with pytest.raises(AssertionError, match="it has the wrong sign"):
                assert_gradients_match(manual, reference, batch()[0])
            assert ("::error file=" in capsys.readouterr().out) is there


class TestTensorBoard:
    def test_run(self, failed, tmp_path):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        tensorboard.write(failed, tmp_path / "run")
        events = EventAccumulator(str(tmp_path / "run"))
        events.Reload()
        tags = events.Tags()
        assert "max_abs/0.weight" in tags["scalars"]
        assert "residual/0 Linear/weight" in " ".join(tags["images"])
        assert tags["histograms"]
        assert any("verdict" in tag for tag in tags["tensors"])

    def test_folder_that_cannot_be(self, failed, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(NotWrittenError, match="--tensorboard"):
            tensorboard.write(failed, tmp_path / "file" / "run")


class TestPage:
    def test_says_what_is_wrong_first(self, failed):
        page = html.page(failed)
        verdict = page.index("The backward is wrong in 0 Linear")
        assert verdict < page.index("1/13") < page.index("layer by layer")
        assert page.count('class="layer origin"') == 1
        assert page.count('class="layer ') == 6

    def test_says_that_all_agree(self, passed):
        page = html.page(passed)
        assert "All 12 tensors agree" in page
        assert 'class="layer origin"' not in page

    def test_asks_no_server(self, failed):
        page = html.page(failed)
        assert "http" not in page
        assert "<script" not in page

    def test_hostile_names(self):
        assert "<script" not in html.page(hostile())


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_page_in_a_browser(failed, tmp_path, width, scheme):
    file = tmp_path / "page.html"
    file.write_text(html.page(failed), encoding="utf-8")
    with chromium.opened(file, width, color_scheme=scheme) as (page, troubles):
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator(".layer.origin").is_visible()
        assert page.locator(".fault svg").bounding_box()["width"] > 50
    assert troubles == []
