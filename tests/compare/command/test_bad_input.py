"""What the commands refuse, in one line each, and how they start."""

import json
import subprocess
import sys

import pytest

from compare import gradients, training
from tests.seconds import spent_on_children
from torch_models import datasets

SMALL = ["--dataset", "digits", "--hidden", "12", "--batch-size", "32"]


class TestBadInput:
    @pytest.mark.parametrize("command", [gradients, training])
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--dtype", "float8"], "--dtype: invalid choice: 'float8'"),
            (["--activation", "step"], "--activation: invalid choice: 'step'"),
            (["--batch-size", "0"], "--batch-size: expected a whole number ≥ 1, got 0"),
            (["--hidden", "0"], "--hidden: expected a whole number"),
            (["--seed", "-1"], "--seed: expected a whole number"),
            (["--json", "{tmp}/missing/out.json"], "cannot be written (No such file"),
            (["--json", "{tmp}"], "is a folder"),
            (["--unknown"], "unrecognized arguments"),
        ],
    )
    def test_options(self, command, arguments, message, capsys, tmp_path):
        with pytest.raises(SystemExit) as caught:
            command.main([*SMALL, *(a.format(tmp=tmp_path) for a in arguments)])
        assert caught.value.code == 2
        err = capsys.readouterr().err
        assert message in err
        assert len(err.splitlines()) == 1

    @pytest.mark.parametrize(
        "arguments", [["--epochs", "-1"], ["--lr", "nan"], ["--momentum", "1"]]
    )
    def test_training_options(self, arguments, capsys):
        with pytest.raises(SystemExit) as caught:
            training.main([*SMALL, *arguments])
        assert caught.value.code == 2
        assert arguments[0] in capsys.readouterr().err

    @pytest.mark.parametrize("command", [gradients, training])
    def test_data_that_cannot_be_had(self, command, capsys, monkeypatch):
        def load(*_):
            raise datasets.DataError("a file\nis damaged")

        monkeypatch.setattr(datasets, "load", load)
        assert command.main(SMALL) == 2
        assert capsys.readouterr().err.endswith("error: a file is damaged\n")

    def test_interrupted(self, capsys, monkeypatch):
        def load(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(datasets, "load", load)
        assert training.main(SMALL) == 130
        assert capsys.readouterr().err == "python -m compare.training: error: interrupted\n"

    def test_json_that_becomes_unwritable(self, capsys, tmp_path, monkeypatch):
        def replace(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.replace", replace)
        assert gradients.main([*SMALL, "--json", str(tmp_path / "out.json")]) == 2
        assert "No space left on device" in capsys.readouterr().err
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["gradients", "training"])
def test_help_answers_at_once_and_without_torch(command):
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['compare.{command}', '--help']\n"
        "try:\n"
        f"    runpy.run_module('compare.{command}', run_name='__main__')\n"
        "finally:\n"
        "    assert 'torch' not in sys.modules\n"
    )
    before = spent_on_children()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "--dtype" in done.stdout
    assert done.stderr == ""
    assert spent_on_children() - before < 1  # 0.1 s


def test_module_runs_from_the_command_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "compare.gradients", *SMALL, "--json", tmp_path / "out.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "out.json").read_text())["passed"] is True
