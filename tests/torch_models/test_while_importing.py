"""What one sees of a command that takes seconds to start."""

import logging
import os
import pty
import subprocess
import sys

import pytest

from tests import ROOT
from torch_models.while_importing import ERASE, ended_at_once

WAITING = b"loading PyTorch \xe2\x80\xa6"


@pytest.fixture(scope="module")
def refused():
    """What a command that loads PyTorch says in a terminal, and then refuses."""
    command = [sys.executable, "-m", "compare.gradients", "absent:f", "absent:f", "--shape", "2"]
    ours, theirs = pty.openpty()
    subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, timeout=120)
    os.close(theirs)
    in_terminal = os.read(ours, 10_000)
    os.close(ours)
    return in_terminal


def test_a_terminal_says_what_one_waits_for_and_forgets_it(refused):
    waiting, erased, error = refused.partition(ERASE.encode())
    assert (waiting, bool(erased)) == (WAITING, True)
    assert error.startswith(b"python -m compare.gradients: error: absent:f: there is no module")


def test_the_line_stands_there_before_anything_heavy_is_imported():
    """What is imported until then takes a tenth of a second."""
    program = """
import sys
from torch_models import while_importing
class Seen(Exception): pass
class Watched:
    err = property(lambda self: self)
    def isatty(self): return True
    def write(self, text):
        heavy = {"torch", "lightning", "rich", "numpy", "matplotlib"} & set(sys.modules)
        assert text == "loading PyTorch …" and not heavy, heavy
        raise Seen
while_importing.streams = Watched
from compare import gradients, layers, mutants, notes, speed, training
from torch_models import train
for main in (gradients, layers, mutants, notes, speed, training, train):
    try:
        main.main([])
    except Seen:
        print("seen")
"""
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert found.stdout == 7 * "seen\n", found.stderr


def test_that_there_is_no_gpu_is_not_said_to_who_asked_for_none():
    """What PyTorch logs when something is compiled; its other warnings are let through."""
    said = []
    logger = logging.Logger("torch.utils.cpp_extension")
    logger.addHandler(handler := logging.Handler())
    handler.emit = lambda record: said.append(record.getMessage())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging, "getLogger", lambda name: {logger.name: logger}[name])
        with ended_at_once("a command"):
            logger.warning("No CUDA runtime is found, using CUDA_HOME='%s'", "/usr/local")
            logger.warning("%s is too old", "a compiler")
    assert said == ["a compiler is too old"]
