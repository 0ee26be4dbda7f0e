"""Each training has a folder of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from torch_models import train
from torch_models.runs import RefusedError, claim, run_folder

OPTIONS = ["--dataset", "digits", "--hidden", "8", "--epochs", "1"]


def test_many_at_the_same_moment_get_as_many_versions(tmp_path, monkeypatch):
    iterdir, together = Path.iterdir, threading.Barrier(8)

    def all_look_before_one_acts(folder):
        found = list(iterdir(folder))
        together.wait(10)
        return iter(found)

    monkeypatch.setattr(Path, "iterdir", all_look_before_one_acts)
    with ThreadPoolExecutor(8) as pool:
        names = [run.name for run in pool.map(claim, [tmp_path] * 8)]
    assert sorted(names) == [f"version_{n}" for n in range(8)]


def test_the_next_version_is_one_more_than_the_last(tmp_path):
    for name in ("version_3", "version_12", "version_x", "else"):
        (tmp_path / name).mkdir()
    assert claim(tmp_path).name == "version_13"


def test_a_refused_training_leaves_no_folder(tmp_path, capsys):
    assert train.main([*OPTIONS, "--log-dir", str(tmp_path), "--accelerator", "tpu"]) == 2
    assert list((tmp_path / "autograd").iterdir()) == []


def test_what_this_machine_cannot_do_needs_no_download(tmp_path, capsys):
    options = ["--data-dir", str(tmp_path / "data"), "--log-dir", str(tmp_path)]
    assert train.main([*options, "--accelerator", "tpu"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_two_do_not_go_on_in_one_folder(tmp_path, capsys):
    options = [*OPTIONS, "--log-dir", str(tmp_path)]
    assert train.main(options) == 0
    [last] = tmp_path.glob("*/*/checkpoints/last.ckpt")
    capsys.readouterr()
    with run_folder(str(tmp_path), "autograd", last) as run:
        assert run == tmp_path / "autograd" / "version_0"
        assert train.main([*options, "--resume", "last"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"another training is writing to {run}" in line
    assert train.main([*options, "--resume", "last"]) == 0


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "autograd").write_text("")
    with (
        pytest.raises(RefusedError, match="autograd cannot be written"),
        run_folder(str(tmp_path), "autograd", None),
    ):
        pass


def test_a_folder_by_what_the_shell_left_of_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGS", "logs")
    assert train.main([*OPTIONS, "--log-dir", "~/$LOGS"]) == 0
    assert Path(tmp_path, "logs/autograd/version_0/checkpoints/last.ckpt").exists()
    with pytest.raises(SystemExit, match="2"):
        train.main([*OPTIONS, "--log-dir", "s3://bucket"])
