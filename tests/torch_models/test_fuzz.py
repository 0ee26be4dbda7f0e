"""Any combination of options ends in a training, or in one line that says why not."""

import contextlib
import io

import pytest
import torch
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from torch_models import names, train
from torch_models.runs import RefusedError

HUGE, LONG = str(10**30), "x" * 300
PRECISIONS = ["32", "64", "bf16", "32-true", "64-true", "16-true", "bf16-true", "bf16-mixed"]
#: Option → values that can be right, and such that cannot.
VALUES: dict[str, tuple[list, list]] = {
    "--backprop": ([*names.NAMESPACES], ["magic"]),
    "--manual": ([None], []),
    "--compile": ([None], []),
    "--dataset": (["digits", "auto"], ["mnist", "letters"]),
    "--data-dir": (["{tmp}/none", "{tmp}/file", LONG], ["s3://data"]),
    "--network": (["mlp"], ["lenet", "explicit"]),
    "--text-dir": ([], ["{tmp}", "{tmp}/none"]),
    "--warmup": (["0", "3"], ["-1", "x"]),
    "--half-life": (["0", "3"], ["-1", "x"]),
    "--clip": (["0", "0.5"], ["-1", "nan"]),
    "--seed": (["7", str(2**32 - 1)], [str(2**32), "-1", "x"]),
    "--hidden": (["3", "4 3", "1 1 1"], ["", "0", "70000", "2.5"]),
    "--activation": ([*names.ACTIVATIONS], ["step"]),
    "--loss": ([*names.LOSSES], ["l1"]),
    "--epochs": (["1", "2"], ["0", "many"]),
    "--batch-size": (["full", "1", "7", str(2**31 - 1)], [HUGE, "0", "-3", "1.5"]),
    "--steps-per-execution": (["1", "3", str(2**31 - 1)], [HUGE, "0", "x"]),
    "--dashboards": (["off", "lean", "full"], ["all"]),
    "--train-size": (["1", "33"], ["1437", HUGE, "0"]),
    "--val-size": (["1", "200"], ["1437", "-1"]),
    "--lr": (["0.01", "1e-320", "1e9", "3e38"], ["1e39", "0", "nan", "inf", "-1", "x"]),
    "--momentum": (["0", "0.999"], ["1", "-0.1", "nan"]),
    "--momentum-form": (["torch", "ema"], ["nesterov"]),
    "--log-dir": (["{tmp}/logs", "{tmp}/new"], ["{tmp}/file", "{tmp}/file/x", "s3://x", LONG]),
    "--resume": (["last"], ["{tmp}", "{tmp}/file", "{tmp}/none.ckpt", LONG, ""]),
    "--accelerator": (["cpu", "auto"], ["tpu", "mps", "abacus", ""]),
    "--devices": (["1", "auto"], ["2", "1000", HUGE, "0", "-1", "1,", "0,1", "x", "0.5", ""]),
    "--num-nodes": (["1"], ["2", HUGE, "0"]),
    "--strategy": (["auto"], ["ddp", "fsdp", ""]),
    "--precision": (PRECISIONS, ["16", "16-mixed", "transformer-engine", "8"]),
    "--epoch": ([], ["1"]),
    "x": ([], [None]),
}


def values(name):
    right, wrong = VALUES[name]
    # Most must be right, or hardly any combination of several is.
    drawn = st.sampled_from(8 * right + wrong if len(right) > 1 else right + wrong)
    return st.tuples(st.just(name), drawn)


OPTION = st.sampled_from(sorted(VALUES)).flatmap(values)
# Tiny, unless drawn otherwise: of an option that is given twice the last counts.
TINY = ["--dataset", "digits", "--hidden", "4", "--epochs", "1", "--train-size", "40"]
TINY += ["--dashboards", "off"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    def refuse(self):
        raise RefusedError("test_ranks.py starts several processes")

    monkeypatch.setattr(_SubprocessScriptLauncher, "_call_children_scripts", refuse)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: None)  # slow, and tested apart
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:9/"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    return tmp_path


@settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(OPTION, max_size=6, unique_by=lambda option: option[0]))
def test_any_options(folder, options):
    event(f"exit code {outcome(folder, options)}")


@pytest.mark.parametrize("name", VALUES)
def test_each_value_alone(folder, name):
    right, wrong = VALUES[name]
    for value in (*right, *wrong):
        outcome(folder, [(name, value)])


def outcome(folder, options):
    """Run the command line; the exit code, and what is said, must be one of those promised."""
    arguments = [*TINY, "--log-dir", f"{folder}/logs"]
    for name, value in options:
        arguments += [name, *([] if value is None else value.format(tmp=folder).split(" "))]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = train.main(arguments)
        except SystemExit as exit:
            code = exit.code
    if code == 0:
        assert "test accuracy" in out.getvalue()
    else:
        lines = err.getvalue().splitlines()
        said = [line for line in lines if not line.startswith("downloading ")]
        assert code == 2 or (code == 1 and "it first appeared in" in said[-1]), arguments
        assert len(said) == 1 or "!!!!" in said[0], said
    return code
