"""The data that tests train on."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

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


@pytest.fixture(autouse=True)
def little_text(monkeypatch) -> None:
    """The network for text writes a few bytes after an epoch: hundreds take as long as training."""
    monkeypatch.setattr("torch_models.text_sample.WRITTEN", 20)


@pytest.fixture
def few_samples(monkeypatch) -> None:
    """A fifth of 100 digits, or 8 texts, are for test: large networks take seconds for them all."""
    digits = sklearn.datasets.load_digits()
    few = SimpleNamespace(images=digits.images[:100], target=digits.target[:100])
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda: few)
    monkeypatch.setattr("torch_models.datasets.TEXT_TEST", 8)


@pytest.fixture
def mnist_root() -> Path:
    """The folder that holds ``MNIST/raw``, from the environment; skips where there is none.

    Never a folder of the tests' own making.
    """
    root = os.environ.get("MNIST_ROOT")
    if not root:
        pytest.skip("MNIST_ROOT does not name a folder with the real MNIST")
    return Path(root)
