"""Files and streams that a command writes to, whatever they are."""

import io
import json
import os
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from compare import gradients, layers, mutants, notes, speed, training
from compare.command.supervised import supervised
from compare.command.writing import write_json, write_picture
from tests.forked import forked
from torch_models.outputs import NotWrittenError, require_writable, write

SMALL = ["--dataset", "digits", "--hidden", "4", "--batch-size", "8"]
LONG = "x" * 300


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"before, and longer")
    path.chmod(0o640)
    node = path.stat().st_ino
    write(path, b"after", "--json")
    assert path.read_bytes() == b"after"
    assert path.stat().st_ino != node
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path, there):
    target, link = tmp_path / "target", tmp_path / "link"
    if there:
        target.write_bytes(b"before")
    link.symlink_to("target")
    require_writable(link)
    write(link, b"after", "--json")
    assert link.is_symlink()
    assert target.read_bytes() == b"after"


def test_a_name_as_long_as_names_can_be(tmp_path):
    write(tmp_path / ("x" * 255), b"all", "--json")


def test_a_pipe_stays_a_pipe(tmp_path):
    path, found = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    reader.start()
    require_writable(path)
    write(path, b"x" * 200_000, "--json")
    reader.join(10)
    assert [len(x) for x in found] == [200_000]
    assert path.is_fifo()


def test_a_reader_who_goes_away(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def read_a_byte():
        with path.open("rb", buffering=0) as file:
            file.read(1)

    threading.Thread(target=read_a_byte, daemon=True).start()
    with pytest.raises(NotWrittenError, match=r"--json .*pipe cannot be written: Broken pipe"):
        write(path, b"x" * 1_000_000, "--json")


@pytest.mark.parametrize("device", ["/dev/full", "/dev/null"])
def test_a_device_stays_a_device(device):
    path = Path(device)
    require_writable(path)
    if device == "/dev/full":
        with pytest.raises(NotWrittenError, match="No space left on device"):
            write(path, b"all", "--html")
    else:
        write(path, b"all", "--html")
    assert path.is_char_device()


def test_nothing_is_left_of_what_fails(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(NotWrittenError, match="No space left"):
        write(tmp_path / "out", b"all", "--json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["loop", "folder", "missing/out", LONG, "dangling", "a\0b"])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (gradients, "--json"),
        (gradients, "--html"),
        (gradients, "--junit"),
        (training, "--json"),
        (layers, "--json"),
        (mutants, "--json"),
        (notes, "--json"),
        (notes, "--plots"),
        (speed, "--json"),
        (speed, "--plot"),
    ],
)
def test_refused_before_any_work(command, option, name, tmp_path, capsys):
    if name == "folder" and option == "--plots":
        return
    if name == "missing/out" and option == "--plots":  # which makes folders
        (tmp_path / "missing").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere/out")
    (tmp_path / "folder").mkdir()
    suffix = ".png" if option == "--plot" else ""
    if suffix:
        (tmp_path / "loop.png").symlink_to("loop.png")
        (tmp_path / "dangling.png").symlink_to("nowhere/out")
        (tmp_path / "folder.png").mkdir()
    with pytest.raises(SystemExit) as caught:
        command.main([option, f"{tmp_path}/{name}{suffix}"])
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("option", ["--json", "--html", "--junit"])
def test_full_device_is_one_line_and_code_2(option, capsys):
    assert gradients.main([*SMALL, option, "/dev/full"]) == 2
    err = capsys.readouterr().err
    assert err.endswith(f"error: {option} /dev/full cannot be written: No space left on device\n")
    assert Path("/dev/full").is_char_device()


def test_pictures_go_through_links(tmp_path):
    (tmp_path / "link.svg").symlink_to("target.svg")
    write_picture(tmp_path / "link.svg", Figure(), "--plot")
    assert (tmp_path / "link.svg").is_symlink()
    assert b"<svg" in (tmp_path / "target.svg").read_bytes()


def test_json_has_every_name(tmp_path):
    names = ["a\nb", "\x1b[31m", "\x9b", "σ", "\u2028", "\U000e0001", '"\\']
    write_json(tmp_path / "out", {"names": names, "half": "a\udcff"})
    text = (tmp_path / "out").read_bytes().decode("utf-8")
    assert json.loads(text) == {"names": names, "half": r"a\udcff"}
    assert text.replace("\n", "").isprintable()


def run(redirected, tmp_path, *arguments):
    (tmp_path / "mine.py").write_text("import torch\nmanual = reference = torch.tanh\n")

    def before():
        os.chdir(tmp_path)
        sys.path.insert(0, str(tmp_path))
        redirected()

    def command(words):
        return supervised("python -m compare.gradients", partial(gradients.main, words))

    asked = ["mine:manual", "mine:reference", "--shape", "4,3", *arguments]
    return forked(command, asked, before)


def closed(*streams):
    return lambda: [os.close(stream) for stream in streams]


def to_a_reader_who_left():
    reader, writer = os.pipe()
    os.dup2(writer, 1)
    os.close(reader)


def into(path):
    return lambda: os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), 1)


@pytest.mark.parametrize(
    ("redirected", "code", "err"),
    [
        (closed(1), 0, ""),
        (closed(1, 2), 0, ""),
        (to_a_reader_who_left, 0, ""),
        (into("/dev/full"), 2, "error: stdout cannot be written: No space left on device\n"),
    ],
    ids=["closed", "both closed", "reader left", "full device"],
)
def test_stdout_that_takes_nothing(redirected, code, err, tmp_path):
    done = run(redirected, tmp_path, "--json", tmp_path / "out.json")
    assert done.returncode == code
    assert done.stderr.endswith(err)
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "out.json").read_text())["passed"] is True


def test_json_into_the_file_that_is_stdout(tmp_path):
    path = tmp_path / "all"
    assert run(into(path), tmp_path, "--json", "/dev/stdout").returncode == 0
    text = path.read_text()
    assert text.startswith("mine:manual against mine:reference")
    assert '"passed": true' in text


def test_stream_keeps_no_error_of_a_reader_who_left(monkeypatch):
    from torch_models.streams import kept

    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with kept() as ours:
        sys.stdout.close()
        ours.out.write("lost")
        assert ours.out.error is None
