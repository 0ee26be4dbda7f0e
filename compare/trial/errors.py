"""Why there is no verdict, or only one: what is raised, and how an exception reads in one line."""


class ComparisonError(ValueError):
    """The two do not pair, or the reference cannot vouch for anything; the message says why."""


class UnjudgedError(Exception):
    """There is a report, and all that it says is that the reference is no number."""


class ManualError(AssertionError):
    """The model in question raised; its own exception is the cause."""


def said(error: BaseException) -> str:
    """The exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
