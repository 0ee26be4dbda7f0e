"""What a backward may be asked in addition: other ways of calling it, other ways of judging it.

One file for each, with a function ``check(question) -> Check``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from compare.checks.check import Check
    from compare.trial.question import Question


class Ask(NamedTuple):
    """A check before it is made: the file that it is in, and what it asks."""

    module: str
    what: str


#: By their names on the command line. Nothing of PyTorch's is imported for them.
CHECKS = {
    "finite-differences": Ask(
        "finite_differences", "does it match finite differences of its own forward"
    ),
    "double-backward": Ask("double_backward", "can it be differentiated again"),
    "compile": Ask("compiled", "is it the same under torch.compile"),
    "vmap": Ask("per_sample", "is it the same for each sample under torch.vmap"),
    "layouts": Ask("not_contiguous", "is it the same for tensors that are not contiguous"),
    "ddp": Ask("ddp", "is it the same in two processes with half the batch each"),
    "determinism": Ask("determinism", "is it the same twice, bit for bit"),
}


def ask(name: str, question: "Question") -> "Check":
    """The check of that name; it leaves the models and the random state as they are."""
    from dataclasses import replace

    from compare.trial.given import tensors_in
    from compare.trial.randomness import undisturbed

    check = import_module(f"compare.checks.{CHECKS[name].module}").check
    with undisturbed(tensors_in(list(question.inputs))):
        return replace(check(question), name=name)
