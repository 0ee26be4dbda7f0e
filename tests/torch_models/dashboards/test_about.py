from pathlib import Path

import pytest

from tests.torch_models.events import logged
from torch_models.dashboards import about, logger
from torch_models.train import main

SMALL = ["--dataset", "digits", "--hidden", "6", "--epochs", "2", "--dashboards", "off"]


def pages(run):
    """Tag → (step, words) as they were written."""
    events = logged(run)
    tags = [tag for tag in events.Tags()["tensors"] if tag.startswith("about/")]
    return {
        tag.removesuffix("/text_summary"): [
            (event.step, event.tensor_proto.string_val[0].decode()) for event in events.Tensors(tag)
        ]
        for tag in tags
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("about")
    trainings = [["autograd"], ["manual"], ["explicit"], ["manual", "--seed", "1"]]
    for way, *more in trainings:
        assert main([*SMALL, "--backprop", way, *more, "--log-dir", str(folder)]) == 0
    return folder


def test_what_it_is_its_command_and_its_result(runs):
    (begun, what), (ended, result) = pages(runs / "manual/version_0")[about.THIS]
    assert (begun, ended) == (0, 22)
    assert "784-6-10 relu, cross-entropy, manual gradients" in what
    assert f"    python -m torch_models.train {' '.join(SMALL)} --backprop manual" in what
    values = about.curves(runs / "manual/version_0")
    assert f"| validation | {values['loss/val'][1][-1]:.4f} |" in result
    assert "| test | " in result


def test_who_hides_whom(runs):
    said = {
        str(run.relative_to(runs)): pages(run)[about.OTHERS][0][1] for run in runs.glob("*/*_*")
    }
    assert said["autograd/version_0"].startswith("No other run")
    assert "Bit-for-bit" in said["manual/version_0"]
    assert "**autograd/version_0**" in said["manual/version_0"]
    assert "Bit-for-bit" not in said["explicit/version_0"]
    assert "| manual/version_0 | " in said["explicit/version_0"]
    assert said["manual/version_1"].startswith("No other run")  # the seed differs


def test_differences_and_lengths():
    assert about.largest_difference(([1, 2], [0.5, 1.0]), ([1, 2], [0.5, 0.75])) == 0.25
    assert about.largest_difference(([1], [0.5]), ([1, 2], [0.5, 0.75])) == float("inf")


def test_the_test_is_in_the_table_and_no_curve(runs, tmp_path):
    run = runs / "manual/version_0"
    events = logged(run)
    assert not [tag for tag in events.Tags()["scalars"] if "test" in tag]
    [start] = [
        events.SummaryMetadata(tag).plugin_data.content
        for tag in events.PluginTagToContent("hparams")
        if tag.endswith("session_start_info")
    ]
    assert b"accuracy, test" in start
    assert b"loss, test" in start


def test_a_run_that_goes_on_has_its_last_test_in_the_table(tmp_path, capsys):
    options = [*SMALL, "--log-dir", str(tmp_path)]
    assert main(options) == 0
    [before] = Path(tmp_path / "autograd/version_0").glob(f"*{logger.SUFFIX}")
    assert main([*options, "--epochs", "3", "--resume", "last"]) == 0
    [after] = Path(tmp_path / "autograd/version_0").glob(f"*{logger.SUFFIX}")
    assert before != after
