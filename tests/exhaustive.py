"""Of many cases that are much alike the suite takes a few; CI takes them all."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import pytest


def exhaustive(value: Any) -> Any:
    """One that ``pytest -m exhaustive`` takes."""
    return pytest.param(value, marks=pytest.mark.exhaustive)


def some(chosen: Collection[Any], of: Iterable[Any]) -> list[Any]:
    """All of them, those that are not chosen marked ``exhaustive``."""
    return [value if value in chosen else exhaustive(value) for value in of]


def first_of_each(kind: Callable[[str], object], names: Sequence[str]) -> list[Any]:
    """All of them, those that are not the first of their kind marked ``exhaustive``."""
    return some({kind(name): name for name in reversed(names)}.values(), names)
