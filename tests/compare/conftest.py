import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers each time, whatever ran before."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def without_repair(monkeypatch):
    """The search for a change takes seconds; the tests of it say how long."""
    monkeypatch.setattr("compare.comparison.pair.SECONDS", 0.0)
