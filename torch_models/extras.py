"""What only an extra of the installation brings, and how it is said that it is missing.

``pip install .`` brings torch and rich; what trains, draws or looks into TensorBoard needs more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import util

#: The module that is imported → the extra of pyproject.toml that brings it.
EXTRA = {
    "PIL": "train",
    "jax": "bench",
    "lightning": "train",
    "matplotlib": "train",
    "numpy": "train",
    "packaging": "train",
    "pytest": "test",
    "sklearn": "train",
    "tensorboard": "train",
    "torchmetrics": "train",
    "torchvision": "train",
}


class MissingExtraError(ModuleNotFoundError):
    """The message says what is missing and how to get it."""


def need(module: str, what: str = "this") -> None:
    """Find out now, and not after minutes of work, that ``what`` cannot be had.

    Raises:
        MissingExtraError: ``module``, a key of ``EXTRA``, is not installed.
    """
    if not util.find_spec(module):
        raise _missing(module, what)


def _missing(module: str, what: str) -> MissingExtraError:
    extra = EXTRA[module]
    return MissingExtraError(
        f"{what} needs {module}, which is not installed; install the extra {extra}: "
        f'pip install ".[{extra}]" in the checkout',
        name=module,
    )


def missing(error: ModuleNotFoundError) -> MissingExtraError:
    """What an import that failed lacks.

    Raises:
        ModuleNotFoundError: the error itself, where no extra brings what it lacks.
    """
    if isinstance(error, MissingExtraError):
        return error
    module = (error.name or "").partition(".")[0]
    if module not in EXTRA:
        raise error
    return _missing(module, "this")


@contextmanager
def named() -> Iterator[None]:
    """An import within it that fails for want of an extra says which one."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing(error) from None
