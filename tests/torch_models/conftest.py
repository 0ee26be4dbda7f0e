"""Where tests find the real MNIST: never in a folder of their own making."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def mnist_root() -> Path:
    """The folder that holds ``MNIST/raw``, from the environment; skips where there is none."""
    root = os.environ.get("MNIST_ROOT")
    if not root:
        pytest.skip("MNIST_ROOT does not name a folder with the real MNIST")
    return Path(root)
