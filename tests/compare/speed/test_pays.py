"""The command and its gate; no time is ever asserted."""

import json

import pytest

from compare import speed
from compare.speed import pays, pays_plot
from compare.speed.pays_cases import SMALL, language_model, ways
from compare.speed.pays_plot import Curve
from compare.speed.pays_step import step_of
from manual_backprop.sequence.attention_in_blocks import AttentionInBlocksFunction

NAMES = {"attention", "linear_cross_entropy", "rms_norm", "swiglu", "reversible"}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(pays, "SIZES", SMALL)
    monkeypatch.setattr(pays_plot, "LENGTHS", (64, 128, 256))
    monkeypatch.setattr(pays_plot, "VOCABULARIES", (500, 1000))
    monkeypatch.setattr(pays_plot, "TOKENS", 64)


@pytest.fixture
def judged(monkeypatch):
    monkeypatch.setattr(pays, "wrong_gradients", lambda device: [])


def test_gradients_are_right_and_a_wrong_one_has_no_speed(monkeypatch, capsys):
    device = pays.torch.device("cpu")
    assert pays.wrong_gradients(device) == []
    monkeypatch.setattr(AttentionInBlocksFunction, "backward", _wrong)
    assert speed.main(["--pays"]) == 1
    out = capsys.readouterr().out
    assert "attention: FAILED" in out
    assert "FAILED: no speed is measured of a wrong gradient" in out
    assert "kept" not in out


@staticmethod
def _wrong(ctx, *gradients):
    return *(t * 0 for t in ctx.saved_tensors[:3]), *[None] * 4


def test_gpt_has_the_same_gradients_in_three_ways():
    case = language_model(24, 2, pays.torch.device("cpu"))
    expected, *found = (step_of(way.double(), case.inputs)(0) for way in ways(case).values())
    for gradients in found:
        pays.torch.testing.assert_close(gradients, expected)


def test_command(judged, tmp_path, capsys):
    path, plot = tmp_path / "out.json", tmp_path / "p.svg"
    arguments = ["--pays", "--rounds", "2", "--memory", "0.01"]
    assert speed.main([*arguments, "--json", str(path), "--plot", str(plot)]) == 0
    found = json.loads(path.read_text())
    assert set(found["pays"]) >= NAMES
    for of in found["pays"].values():
        costs = of["costs"]
        ours, theirs = costs["by hand"], costs["autograd"]
        assert of["saved_ratio"] == ours["saved_bytes"] / theirs["saved_bytes"] < 0.6
        assert of["peak_ratio"] == ours["peak_bytes"] / theirs["peak_bytes"] > 0
        assert of["time_ratio"] == pytest.approx(ours["seconds"] / theirs["seconds"])
        assert of["to_best"]["name"] in costs
    assert found["sweep"]["length"]["by hand"]["sizes"] == [64, 128, 256]
    out = capsys.readouterr().out
    assert "vocabulary: autograd fits into 0.01 GiB up to" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert plot.read_text().count("no longer fits") >= 1


def test_where_a_curve_reaches_the_memory():
    curve = Curve((1, 2, 4), (10, 40, 160))
    assert curve.reaches(90) == pytest.approx(3)
    assert curve.reaches(640) == pytest.approx(8)  # beyond what was measured
    assert curve.reaches(9) is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--pays", "--sweep"], "--sweep and --pays are different measurements"),
        (["--pays", "--hidden", "8"], "--pays has settings of its own: leave out --hidden"),
        (["--memory", "2"], "--memory is a line in the plot of --pays"),
        (["--pays", "--memory", "0"], "--memory"),
    ],
)
def test_bad_input(arguments, says, capsys):
    with pytest.raises(SystemExit) as caught:
        speed.main(arguments)
    assert caught.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert says in line
