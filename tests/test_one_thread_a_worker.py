import os

import torch


def test_as_many_here_as_in_the_processes_that_tests_start():
    """Two runs that are compared bit for bit must have as many."""
    assert torch.get_num_threads() == int(os.environ["OMP_NUM_THREADS"])
