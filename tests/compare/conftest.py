import pytest
import torch


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """The tensors here are small: threads that wait for each other take most of the time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers each time, whatever ran before."""
    torch.manual_seed(0)
