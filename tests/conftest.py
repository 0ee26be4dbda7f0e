"""What tests of several rooms need."""

import gc
import os

# The tensors here are small: threads that wait for each other take most of the time. This is read
# when torch is imported, here and in the processes that tests start: two runs have the same bits
# only if they have as many threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# With more of them: where one waits, another process's tests need the core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch

from tests import ROOT, played_graphs

# The imports make a million objects: to look at them whenever some hundreds are new takes a tenth
# of the time.
gc.set_threshold(20_000, 10, 10)

# The width of the terminal that the tests are started in is no business of theirs.
os.environ.pop("COLUMNS", None)
CAPABILITY = torch.backends.cpu.get_cpu_capability()
# torch.compile takes what it compiled for other vector instructions for its own: its results are
# wrong, or it fails.
os.environ.setdefault(
    "TORCHINDUCTOR_CACHE_DIR",
    str(ROOT / ".pytest_cache" / f"compiled-{CAPABILITY}"),
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Files that are named run here: a worker would be longer in starting than most of them run."""
    return None if config.args_source is config.ArgsSource.TESTPATHS else 0


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """``-p no:xdist`` need not take back what pyproject.toml asks of xdist."""
    if not pluginmanager.hasplugin("xdist"):
        for option in ("--numprocesses", "--maxprocesses", "--dist"):
            parser.addoption(option)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked ``gpu`` need one."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")


@pytest.fixture
def graphs(monkeypatch) -> list[played_graphs.Graph]:
    """The CUDA graphs that the test makes, each played on the CPU."""
    made: list[played_graphs.Graph] = []

    def graph():
        made.append(played_graphs.Graph())
        return made[-1]

    monkeypatch.setattr(torch.cuda, "CUDAGraph", graph)
    monkeypatch.setattr(torch.cuda, "graph", played_graphs.record)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: None)
    return made
