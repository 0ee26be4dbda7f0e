"""A check of all cases of a layer: what fails says in which."""

from collections.abc import Callable, Iterator, Sequence

from tests.manual_backprop.cases import Case
from tests.manual_backprop.checks import check_compile

Check = Callable[[Case], None]


def check_each(check: Check, cases: Sequence[Case]) -> None:
    """One after the other; what was raised, together."""
    if found := list(_failures(check, cases)):
        raise ExceptionGroup(f"{len(found)} of {len(cases)} cases", found)


def _failures(check: Check, cases: Sequence[Case]) -> Iterator[Exception]:
    for case in cases:
        try:
            check(case)
        except Exception as error:
            error.add_note(f"in {case}")
            yield error


def check_compiled(cases: Sequence[Case]) -> None:
    """All in one graph."""
    try:
        check_compile(*cases)
    except Exception:
        check_each(check_compile, cases)  # says in which of them
        raise
