"""How many threads compute, and how they wait."""

import os
import subprocess
import sys

import pytest
import torch

from tests.torch_models.short_trainings import train_digits as train
from torch_models import threads
from torch_models.recipes import most_threads

SAYS = (
    "import os, torch; "
    "print(*map(os.environ.get, ['OMP_WAIT_POLICY', 'GOMP_SPINCOUNT']), torch.get_num_threads())"
)


def waiting(environment):
    """What a process says that waits briefly, in an environment without and with this."""
    names = [*threads._WAIT, *threads._NUMBER]
    bare = {name: value for name, value in os.environ.items() if name not in names}
    code = f"from torch_models import threads; threads.wait_briefly(); threads.use(1); {SAYS}"
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=bare | environment, capture_output=True, text=True, check=True
    ).stdout.split()


def test_threads_wait_briefly_unless_the_user_wants_otherwise():
    assert waiting({}) == ["PASSIVE", str(threads._SPINS), "1"]
    assert waiting({"GOMP_SPINCOUNT": "9"}) == ["None", "9", "1"]
    assert waiting({"OMP_WAIT_POLICY": "ACTIVE"}) == ["ACTIVE", "None", "1"]
    # Nobody can change it any more in a process that has imported torch.
    before = dict(os.environ)
    threads.wait_briefly()
    assert dict(os.environ) == before


@pytest.fixture
def chosen(monkeypatch):
    """What ``use`` chooses, on a machine with eight free cores where the user has said nothing."""
    for name in threads._NUMBER:
        monkeypatch.setenv(name, "1")  # so that what it sets is undone
        monkeypatch.delenv(name)
    monkeypatch.setattr(threads, "free_cores", lambda: 8)
    found = []
    monkeypatch.setattr(torch, "set_num_threads", found.append)

    def choose(*args, **kwargs):
        threads.use(*args, **kwargs)
        return found.pop() if found else None

    return choose


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        ({"threads": None}, 8),
        ({"threads": None, "most": 4}, 4),
        ({"threads": None, "processes": 3}, 2),
        ({"threads": None, "processes": 9}, 1),
        ({"threads": None, "most": 4, "saved": 6}, 6),
        ({"threads": 3, "most": 2, "saved": 6}, 3),
        ({"threads": None, "saved": 0}, 8),
        ({"threads": None, "saved": "six"}, 8),
    ],
)
def test_who_decides(chosen, asked, number):
    assert chosen(**asked) == number
    assert os.environ["OMP_NUM_THREADS"] == str(number)


@pytest.mark.parametrize(
    ("network", "batch_size", "hidden", "most"),
    [
        ("mlp", None, [160], 1),
        ("mlp", 128, [40], 1),
        ("mlp", 1024, [160], 8),
        ("mlp", 128, [2048], 12),
        ("lenet", 128, None, None),
        ("mlp", "full", [160], None),
    ],
)
def test_larger_steps_are_shared_by_more(network, batch_size, hidden, most):
    assert most_threads(network, batch_size, hidden) == most


def test_a_comparison_is_kept_to_its_cores(monkeypatch):
    for name in threads._NUMBER:
        monkeypatch.setenv(name, "1")
        monkeypatch.delenv(name)
    monkeypatch.setattr(threads, "free_cores", lambda: 3)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    kept = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, to: kept.append(to), raising=False)
    for said, n in (((None,), 3), ((None, 1), 1), ((4, 1), 4)):
        with threads.kept_to(*said) as found:
            assert found == n
        assert os.environ.pop("OMP_NUM_THREADS") == str(n)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with threads.kept_to(None) as found:
        assert found == 2
    assert kept[::2] == [[1, 2, 3], [3], [0, 1, 2, 3], [2, 3]]
    assert kept[1::2] == [{0, 1, 2, 3}] * 4


def test_the_environment_stands(chosen, monkeypatch):
    monkeypatch.setenv("MKL_NUM_THREADS", "5")
    assert chosen(None, saved=6) is None
    assert chosen(2) == 2


def test_cores_that_others_keep_busy_are_not_free(monkeypatch, tmp_path):
    (tmp_path / "loadavg").write_text("9.00 8.00 7.00 3/130 4242\n")
    monkeypatch.setattr(threads, "_BETWEEN", 0)
    assert threads.busy(tmp_path / "loadavg") == 2
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)), raising=False)
    monkeypatch.setattr(threads, "_quota", lambda: float("inf"))
    for others, free in ((0, 4), (4, 4), (5, 3), (7, 1), (30, 1)):
        monkeypatch.setattr(threads, "busy", lambda others=others: others)
        assert threads.free_cores() == free
    monkeypatch.setattr(threads, "_quota", lambda: 2.5)
    monkeypatch.setattr(threads, "busy", lambda: 0)
    assert threads.free_cores() == 2


def test_where_nobody_says_what_runs_the_last_minute_does(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "getloadavg", lambda: (1.6, 9.0, 9.0), raising=False)
    assert threads.busy(tmp_path / "nothing") == 2


@pytest.mark.parametrize(
    ("file", "text", "cores"),
    [
        ("cpu.max", "150000 100000\n", 1.5),
        ("cpu.max", "max 100000\n", float("inf")),
        ("cpu.max", "20000 100000\n", 1.0),
        ("none", "", float("inf")),
    ],
)
def test_a_container_may_take_less(tmp_path, file, text, cores):
    (tmp_path / file).write_text(text)
    assert threads._quota(tmp_path) == cores


def test_a_container_of_the_first_version(tmp_path):
    (tmp_path / "cpu").mkdir()
    for what, value in (("quota", 300000), ("period", 100000)):
        (tmp_path / f"cpu/cpu.cfs_{what}_us").write_text(f"{value}\n")
    assert threads._quota(tmp_path) == 3


def test_a_resumed_training_takes_as_many_as_before(tmp_path, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(threads, "use", lambda *of: asked.append(of))
    assert train(tmp_path, "--manual", "--epochs", 1) == 0
    assert f"on cpu, {threads.number()}\n" in capsys.readouterr().out
    assert train(tmp_path, "--manual", "--epochs", 2, "--resume", "last") == 0
    here = torch.get_num_threads()
    assert asked == [(None, 1, None, 1), (None, 1, here, 1)]
