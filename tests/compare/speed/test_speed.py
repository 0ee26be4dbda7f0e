"""The command and its gate; no time is ever asserted."""

import json
from contextlib import nullcontext

import pytest
import torch

from compare import speed
from compare.speed import sweep
from compare.speed.candidates import by_functions, candidates, explicit, explicit_recorded
from compare.speed.gate import wrong_when_recorded
from compare.speed.in_turn import Candidate, in_turn
from compare.speed.setting import Setting
from manual_backprop.activation.rectifiers import ReLUFunction
from manual_backprop.affine.activated_linear import ActivatedLinearFunction
from manual_backprop.network.fused_step import FusedStep
from tests import played_graphs

SMALL = ["--batch-size", "4", "--hidden", "6", "--rounds", "2", "--eager"]


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch):
    monkeypatch.setattr("compare.speed.in_turn._SECONDS", 1e-4)
    monkeypatch.setattr("compare.speed.in_turn._PAUSE", 0)
    monkeypatch.setattr("compare.speed.in_turn._PAUSE_AFTER_OTHERS", 0)


@pytest.mark.parametrize(
    ("arguments", "most"),
    [([], 1), (["--batch-size", "1024"], 1), (["--sweep"], 1), (["--pays"], None)],
)
def test_steps_are_compared_on_one_thread(monkeypatch, arguments, most):
    asked = []
    monkeypatch.setattr(speed, "kept_to", lambda *of: asked.append(of) or nullcontext(1))
    monkeypatch.setattr(speed, "exit_code", lambda *_, threads: threads)
    assert speed.main(arguments) == 1
    assert asked == [(None, most)]


def test_command(tmp_path, capsys):
    path = tmp_path / "out.json"
    assert speed.main([*SMALL, "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert found["limit_us"] > 0
    assert {"autograd", "manual", "explicit", "NumPy"} <= set(found["candidates"])
    ours = ("autograd", "manual", "explicit")
    for name, of in found["candidates"].items():
        assert of["ratio_to_limit"] == pytest.approx(of["median_us"] / found["limit_us"])
        assert (of["peak_bytes"] is None) is (name in ("NumPy", "JAX, jitted scan", "scikit-learn"))
        phases = {"forward", "backward", "update"} if name in ours else set()
        assert set(of["phases_us"]) == phases
        by_layer = of["saved_bytes_by_layer"]
        assert not by_layer or sum(by_layer.values()) == of["saved_bytes"]
    assert list(found["candidates"]["manual"]["saved_bytes_by_layer"]) == [
        "0 Linear",
        "1 ReLU",
        "2 Linear",
        "loss",
    ]
    assert found["candidates"]["autograd"]["ratio_to_autograd"] == 1
    out = capsys.readouterr().out
    assert "784-6-10 relu, cross-entropy, batch of 4" in out
    assert "\x1b" not in out


def test_no_speed_of_a_wrong_gradient(monkeypatch, capsys):
    monkeypatch.setattr(ReLUFunction, "backward", staticmethod(lambda ctx, g: g))
    assert speed.main(SMALL) == 1
    out = capsys.readouterr().out
    assert "FAILED: no speed is measured of a wrong gradient" in out
    assert "µs a step" not in out


def test_sweep(tmp_path, monkeypatch, capsys):
    for name in ("BATCHES", "WIDTHS", "DEPTHS"):
        monkeypatch.setattr(sweep, name, (1, 3))
    arguments = ["--sweep", "--plot", str(tmp_path / "s.png"), "--json", str(tmp_path / "s.json")]
    assert speed.main([*SMALL[:-1], *arguments]) == 0
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    points = json.loads((tmp_path / "s.json").read_text())["points"]
    assert [(p["varied"], p["value"]) for p in points] == [
        (varied, value) for varied in ("batch", "width", "depth") for value in (1, 3)
    ]
    table = capsys.readouterr().out
    assert "autograd's; otherwise batch" in table
    assert "1 thread, " in table
    assert "depth 3" in table


def test_no_speed_of_a_wrong_fused_step(monkeypatch, capsys):
    monkeypatch.setattr(FusedStep, "_times_derivative", lambda self, i: None)
    assert speed.main(SMALL) == 1
    assert "explicit: " in capsys.readouterr().out


def test_no_speed_of_a_wrong_recomputation(monkeypatch, capsys):
    right = ActivatedLinearFunction.backward

    def of_z_itself(ctx, g):  # ∂L/∂W = δᵀ z
        grad_input, _, *rest = right(ctx, g)
        return grad_input, g.T @ ctx.saved_tensors[0], *rest

    monkeypatch.setattr(ActivatedLinearFunction, "backward", staticmethod(of_z_itself))
    assert speed.main([*SMALL, "--activation", "silu"]) == 1
    assert "manual, recomputing: " in capsys.readouterr().out


def test_recomputing_keeps_less(tmp_path):
    path = tmp_path / "out.json"
    arguments = ["--activation", "gelu", "--depth", "4", "--hidden", "256", "--rounds", "2"]
    assert speed.main([*arguments, "--eager", "--json", str(path)]) == 0
    found = json.loads(path.read_text())["candidates"]
    assert "NumPy" not in found
    kept = [found[name]["saved_bytes"] for name in ("autograd", "manual, recomputing")]
    assert kept[1] / kept[0] < 0.7


def test_loop(tmp_path, monkeypatch, capsys):
    from compare.speed import loop

    monkeypatch.setattr(loop, "SIZES", (300, 40))
    path = tmp_path / "loop.json"
    assert speed.main(["--loop", "--rounds", "2", "--json", str(path)]) == 0
    seconds = json.loads(path.read_text())["seconds"]
    assert {len(times) for times in seconds.values()} == {2}
    assert min(min(times) for times in seconds.values()) > 0
    out = capsys.readouterr().out
    assert "tutorial" in out
    assert "epoch 1/" not in out


def test_loop_and_sweep_are_two(capsys):
    with pytest.raises(SystemExit):
        speed.main(["--loop", "--sweep"])
    assert "give one of them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rounds", "1"], "--rounds"),
        (["--batch-size", "0"], "--batch-size"),
        (["--x"], "--x"),
        (["--loop", "--device", "cuda"], "--loop has settings of its own: leave out --device"),
        (["--loop", "--hidden", "32"], "leave out --hidden"),
        (["--sweep", "--eager"], "--sweep has settings of its own: leave out --eager"),
        (["--device", "elsewhere"], "--device elsewhere is not available on this machine"),
        (["--device", "meta"], "--device meta computes nothing"),
        (["--device", "hpu"], "--device hpu is not available on this machine"),
        (["--plot", "s.png"], "--plot draws the sweep or --pays: expected one"),
        (["--sweep", "--plot", "s.xyz"], "argument --plot: expected"),
        (["--sweep", "--plot", "s"], "argument --plot: expected"),
    ],
)
def test_bad_input(arguments, message, capsys):
    try:
        code = speed.main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1


def test_nothing_is_timed_where_nothing_waits_for_the_device(monkeypatch, capsys):
    monkeypatch.setattr("compare.speed.measurements.device_named", lambda name: torch.device("mps"))
    assert speed.main([*SMALL, "--device", "mps"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "--device mps cannot be timed: expected cpu or cuda" in line


def test_more_than_the_memory_holds(capsys):
    assert speed.main([*SMALL, "--batch-size", str(10**15)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "not enough memory" in line


def test_bytes_saved_are_those_of_the_activations():
    import manual_backprop

    setting = Setting((7, 5, 3), batch=4)
    labels, x, a, log_probabilities = 4 * 8, 4 * 7 * 4, 4 * 5 * 4, 4 * 3 * 4
    for layers in (torch.nn, manual_backprop):
        saved = by_functions(setting, layers).saved_bytes
        # Plus at most two numbers of the loss.
        assert 0 <= saved - (labels + x + a + log_probabilities) <= 8
    assert explicit(setting).saved_bytes == x + 2 * 4 * (4 * 5 + 4 * 3)  # z and a


def test_all_candidates_learn():
    """Each of them really descends: its step changes what it does next."""
    setting = Setting((7, 5, 3), batch=4, batches=2)
    found = candidates(setting, compiled=False)
    assert list(found)[:3] == ["autograd", "manual", "explicit"]
    for candidate in found.values():
        for i in (0, 1, 0, 1):
            candidate.step(i)


def test_in_turn():
    calls = []
    setting = Setting((2, 2), batch=1, batches=1)
    found = {n: Candidate(lambda i, n=n: calls.append(n), by_torch=False) for n in "ab"}
    rounds = []
    timings = in_turn(found, setting, 3, lambda: rounds.append(1))
    assert list(timings) == ["a", "b"]
    assert len(rounds) == 3
    order = [n for n, before in zip(calls, ["", *calls], strict=False) if n != before]
    assert order == list("ab" * 4)  # the warm-up, then three rounds


def test_a_wrong_recording_is_seen(graphs, monkeypatch):
    setting = Setting((7, 5, 3), batch=4)
    assert wrong_when_recorded(setting) == []
    monkeypatch.setattr(played_graphs.Graph, "replay", lambda self: None)
    assert len(wrong_when_recorded(setting)) == 4
    assert len(graphs) == 2


def test_a_recorded_step_is_timed(graphs):
    setting = Setting((7, 5, 3), batch=4, batches=2)
    in_turn({"explicit": explicit_recorded(setting)}, setting, 2, lambda: None)
    [graph] = graphs
    assert graph.replays > 4


@pytest.mark.gpu
def test_on_a_gpu(tmp_path):
    path = tmp_path / "out.json"
    assert speed.main([*SMALL, "--device", "cuda", "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert list(found["candidates"]) == ["autograd", "manual", "explicit", "explicit, CUDA graph"]
    assert torch.cuda.get_device_name() in found["setting"]
