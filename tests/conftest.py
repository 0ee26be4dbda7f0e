"""What tests of several rooms need."""

import pytest
import torch

from tests import recording


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked ``gpu`` need one."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")


@pytest.fixture
def graphs(monkeypatch) -> list[recording.Graph]:
    """The CUDA graphs that the test makes, each played on the CPU."""
    made: list[recording.Graph] = []

    def graph():
        made.append(recording.Graph())
        return made[-1]

    monkeypatch.setattr(torch.cuda, "CUDAGraph", graph)
    monkeypatch.setattr(torch.cuda, "graph", recording.record)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: None)
    return made
