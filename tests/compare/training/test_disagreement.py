"""What compare leaves for TensorBoard beside the runs of the trainings."""

import math
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from compare import notes, training
from compare.notes import in_tensorboard
from compare.training.disagreement import ABOUT, GROUP, SAME, distances
from manual_backprop.activation.rectifiers import ReLUFunction

LAYERS = [f"{GROUP}/layer {n}" for n in (1, 2)]


def logged(run):
    events = EventAccumulator(str(run))
    events.Reload()
    return events


def train(folder, *arguments):
    small = ["--dataset", "digits", "--hidden", "12", "--batch-size", "128"]
    return training.main([*small, "--log-dir", str(folder), *arguments])


def disagreement(run, tag):
    return [(event.step, event.value) for event in logged(run).Scalars(tag)]


def about(run):
    [event] = logged(run).Tensors(f"{ABOUT}/text_summary")
    return event.tensor_proto.string_val[0].decode()


def test_manual_never_disagrees(tmp_path, capsys):
    assert train(tmp_path) == 0
    run = tmp_path / "manual-against-autograd/version_0"
    assert str(run) in capsys.readouterr().out
    assert logged(run).Tags()["scalars"] == LAYERS
    for tag in LAYERS:
        assert disagreement(run, tag) == [(step, SAME) for step in range(11)]
    assert "custom_scalars__config__" in logged(run).Tags()["tensors"]
    assert "at 11 steps: all are bit-for-bit identical" in about(run)


def test_explicit_does_by_rounding(tmp_path, capsys):
    assert train(tmp_path, "--backprop", "explicit") == 0
    assert train(tmp_path, "--backprop", "explicit") == 0
    assert {path.name for path in tmp_path.glob("explicit-*/*")} == {"version_0", "version_1"}
    values = [value for _, value in disagreement(next(tmp_path.glob("*/*_0")), LAYERS[0])]
    assert SAME < max(values) < -4
    assert "the same bit for bit" not in about(next(tmp_path.glob("*/*_0")))


def test_a_wrong_backward_is_seen(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ReLUFunction, "backward", staticmethod(lambda ctx, g: g * 1.01))
    assert train(tmp_path) == 1
    run = tmp_path / "manual-against-autograd/version_0"
    [(step, first), *_] = disagreement(run, LAYERS[0])
    assert step == 0
    assert first > -3
    assert disagreement(run, LAYERS[1])[0] == (0, SAME)


def test_distances():
    theirs = {
        "0.weight": torch.tensor([2.0, -4]),
        "0.bias": torch.zeros(2),
        "2.bias": torch.ones(1),
    }
    ours = {"0.weight": torch.tensor([2.0, -3]), "0.bias": torch.zeros(2), "2.bias": torch.ones(1)}
    assert distances(ours, theirs) == [0.25, 0.0]
    assert distances({**ours, "0.bias": torch.full((2,), 0.5)}, theirs) == [0.5, 0.0]
    assert distances({**ours, "2.bias": torch.ones(2)}, theirs) == [0.25, math.inf]
    assert distances({"0.weight": ours["0.weight"]}, theirs) == [math.inf, math.inf]
    assert math.isnan(distances({**ours, "2.bias": torch.tensor([math.nan])}, theirs)[1])


@pytest.mark.parametrize(("command", "code"), [(training, 2), (notes, 2)])
def test_a_folder_that_cannot_be(command, code, tmp_path, capsys):
    (tmp_path / "file").touch()
    try:
        found = command.main(["--log-dir", str(tmp_path / "file")])
    except SystemExit as stopped:
        found = stopped.code
    assert found == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(tmp_path / "file") in error


def test_plots_of_the_notes(tmp_path):
    names = ["error_surface.png", "taylor_angle.png"]
    stripes = torch.arange(2100) % 2 * 255
    for name in names:
        Image.fromarray(stripes.expand(1200, -1).byte().numpy()).save(tmp_path / name)
    run = in_tensorboard.show([tmp_path / name for name in names], tmp_path / "logs")
    assert run == Path(tmp_path, "logs/lecture-notes/version_0")
    tags = logged(run).Tags()["images"]
    assert [tag.partition("/")[2] for tag in tags] == ["error surface", "taylor angle"]
    [picture] = logged(run).Images(tags[0])
    assert (picture.width, picture.height) == (1050, 600)
    # Every third pixel of it is grey, of the stripes it would be black or white.
    shown = np.asarray(Image.open(BytesIO(picture.encoded_image_string)))[1::3, 1::3, 0]
    assert shown.shape == (200, 350)
    assert 100 < shown.min() <= shown.max() < 156
