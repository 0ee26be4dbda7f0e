"""What a backward may be asked in addition: other ways of calling it, other ways of judging it.

One file for each, with a function ``check(question) -> Check``; the names are those of the command
line, ``compare.command.arguments.CHECKS``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compare.checks.check import Check
    from compare.trial.question import Question

_MODULES = {
    "finite-differences": "finite_differences",
    "double-backward": "double_backward",
    "compile": "compiled",
    "vmap": "per_sample",
    "layouts": "not_contiguous",
    "ddp": "ddp",
    "determinism": "determinism",
}


def ask(name: str, question: "Question") -> "Check":
    """The check of that name; it leaves the models and the random state as they are."""
    from compare.trial.given import tensors_in
    from compare.trial.randomness import undisturbed

    with undisturbed(tensors_in(list(question.inputs))):
        return import_module(f"compare.checks.{_MODULES[name]}").check(question)
