"""Whatever somebody's file does, there is a verdict or exit code 3, and no traceback."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from compare import gradients
from compare.command.supervised import supervised
from tests.forked import forked

MODELS = """
import atexit, ctypes, os, signal, sys, threading, time, warnings
import torch
from torch import nn


class Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        return z.relu()

    @staticmethod
    def backward(ctx, g):
        return g


class Relu(nn.Module):
    def forward(self, z):
        return Function.apply(z)


class Strange(BaseException):
    pass


class Interrupt(KeyboardInterrupt):
    pass


def throw(error):
    raise error


def network(layer):
    return nn.Sequential(nn.Linear(6, 5), layer, nn.Linear(5, 3))


def wrong():
    return network(Relu())


def right():
    return network(nn.ReLU())


class Ends(nn.ReLU):
    def forward(self, z):
        os._exit(0)


def ends():
    return network(Ends())

"""
#: What the file does when it is imported, and still all is judged.
JUDGED = [
    "atexit.register(os._exit, 0)",
    "sys.stdout.close()",
    "os.close(1)",
    "sys.stdout = None",
    "mode = torch.inference_mode(); mode.__enter__()",
    "torch.set_grad_enabled(False)",
    "torch.set_default_device('meta')",
    "torch.set_default_dtype(torch.float64)",
    "torch.autocast('cpu', dtype=torch.bfloat16).__enter__()",
    "os.chdir('/')",
    "torch.use_deterministic_algorithms(True)",
    "warnings.simplefilter('error')",
    "threading.Thread(target=time.sleep, args=(3600,)).start()",
    "os._exit = sys.exit = lambda *_: None",
    "signal.signal(signal.SIGINT, signal.SIG_IGN)",
]
#: The same, and nothing can be judged.
NOT_JUDGED = {
    "os._exit": "os._exit(0)",
    "exit of C": "ctypes.CDLL(None)._exit(0)",
    "another program": "os.execv('/bin/true', ['true'])",
    "a crash": "os.kill(os.getpid(), signal.SIGSEGV)",
    "sys.exit": "sys.exit(0)",
    "an exception of its own": "throw(Strange('no'))",
    "no Ctrl-C": "throw(Interrupt('no'))",
}


def asked(tmp_path, line, manual="wrong"):
    (tmp_path / "mine.py").write_text(f"{MODELS}\n{line}\n")
    words = [f"mine:{manual}", "mine:right", "--shape", "7,6", "--repair", "off"]
    return [*words, "--json", "out.json"]


@pytest.fixture
def run(tmp_path):
    def before():
        os.chdir(tmp_path)
        sys.path.insert(0, str(tmp_path))

    def command(words):
        return supervised("python -m compare.gradients", partial(gradients.main, words))

    return lambda *line: forked(command, asked(tmp_path, *line), before)


def test_judged_all_the_same(tmp_path):
    words = [sys.executable, "-m", "compare.gradients", *asked(tmp_path, "\n".join(JUDGED))]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "")
    assert "FAILED in float32: 1 Relu is wrong" in done.stdout
    assert (tmp_path / "out.json").is_file()


@pytest.mark.parametrize("name", NOT_JUDGED)
def test_not_judged(name, run, tmp_path):
    done = run(NOT_JUDGED[name])
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "error: could not be judged, " in done.stderr
    assert not (tmp_path / "out.json").exists()


def test_ended_in_a_forward(run):
    done = run("", "ends")
    assert done.returncode == 3
    assert "ended itself (exit code 0) before a verdict" in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_signals_reach_it(number, code, tmp_path):
    # Python looks for signals between operations: a long sleep can miss one that came just before.
    sleeps = "print('here', flush=True)\nfor _ in range(600):\n    time.sleep(0.1)\n"
    (tmp_path / "mine.py").write_text(f"{MODELS}\n{sleeps}")
    words = ["-m", "compare.gradients", "mine:wrong", "mine:right", "--shape", "7,6"]
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Who starts the tests in the background lets them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        before = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert process.returncode == code
        assert time.monotonic() - before < 30
        assert "Traceback" not in err


def test_help_says_what_the_codes_are():
    words = [sys.executable, "-m", "compare.gradients", "--help"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "3: it could not be judged" in " ".join(said.split())


def test_the_process_is_watched_where_nobody_tells_who_sent_a_signal():
    program = (
        "import os, signal; del signal.sigwaitinfo\n"
        "from compare.command.supervised import supervised\n"
        "raise SystemExit(supervised('a command', lambda: os._exit(0)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 3
    assert "ended itself (exit code 0) before a verdict" in done.stderr
