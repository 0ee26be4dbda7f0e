"""The proof: do hand-written gradients agree with autograd, and where do they first not.

    from compare import assert_gradients_match

The names are looked up when they are first used (PEP 562): importing torch takes two seconds, and
``python -m compare.gradients --help`` passes through here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compare.lockstep import Training as Training
    from compare.lockstep import train_in_lockstep as train_in_lockstep
    from compare.pair import assert_gradients_match as assert_gradients_match
    from compare.pair import compare_gradients as compare_gradients
    from compare.report import Report as Report
    from compare.verdict import Row as Row
    from compare.verdict import judge as judge

_HOME = {
    "Report": "compare.report",
    "Row": "compare.verdict",
    "Training": "compare.lockstep",
    "assert_gradients_match": "compare.pair",
    "compare_gradients": "compare.pair",
    "judge": "compare.verdict",
    "train_in_lockstep": "compare.lockstep",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
