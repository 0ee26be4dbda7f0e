"""The data that tests train on."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sklearn.datasets


@pytest.fixture(scope="session", autouse=True)
def digits() -> Iterator[None]:
    """Reading them takes a fifth of such a short training: each process reads them once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sklearn.datasets, "load_digits", functools.cache(sklearn.datasets.load_digits)
        )
        yield


@pytest.fixture
def mnist_root() -> Path:
    """The folder that holds ``MNIST/raw``, from the environment; skips where there is none.

    Never a folder of the tests' own making.
    """
    root = os.environ.get("MNIST_ROOT")
    if not root:
        pytest.skip("MNIST_ROOT does not name a folder with the real MNIST")
    return Path(root)
