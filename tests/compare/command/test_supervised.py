"""A command that runs in a process of its own."""

import signal

import pytest
import torch

from compare.command.supervised import supervised

pytestmark = pytest.mark.skipif(not hasattr(signal, "alarm"), reason="nothing is forked here")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_it_has_as_many_threads_as_the_one_that_starts_it(two_threads):
    """It does not wait for those of the other process, which it has not."""

    def many_numbers():
        return torch.randn(1_000_000).tanh().sum()

    def main():
        signal.alarm(20)  # ends it where it waits for ever
        many_numbers()
        return 0 if torch.get_num_threads() == 2 else 1

    many_numbers()
    assert supervised("a command", main) == 0
    many_numbers()


def test_signals_reach_this_process_again():
    assert supervised("a command", lambda: 0) == 0
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, set())
