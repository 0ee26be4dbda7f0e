import pytest
import torch


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers each time, whatever ran before."""
    torch.manual_seed(0)
