"""The proof: do hand-written gradients agree with autograd, and where do they first not.

    from compare import assert_gradients_match

The names are looked up when they are first used (PEP 562): importing torch takes two seconds, and
``python -m compare.gradients --help`` passes through here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compare.comparison.pair import assert_gradients_match as assert_gradients_match
    from compare.comparison.report import Report as Report
    from compare.reports.saved import compare_gradients as compare_gradients
    from compare.training.lockstep import Training as Training
    from compare.training.lockstep import train_in_lockstep as train_in_lockstep
    from compare.verdict.judge import Row as Row
    from compare.verdict.judge import judge as judge

_HOME = {
    "Report": "compare.comparison.report",
    "Row": "compare.verdict.judge",
    "Training": "compare.training.lockstep",
    "assert_gradients_match": "compare.comparison.pair",
    "compare_gradients": "compare.reports.saved",
    "judge": "compare.verdict.judge",
    "train_in_lockstep": "compare.training.lockstep",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
