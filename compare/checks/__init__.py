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
    "double-backward": Ask("double_backward", "can it be differentiated twice"),
    "compile": Ask("compiled", "does torch.compile give the same"),
    "vmap": Ask("per_sample", "does torch.vmap give the same for each sample"),
    "layouts": Ask("not_contiguous", "do non-contiguous tensors give the same"),
    "ddp": Ask("ddp", "do two DDP processes with half the batch each give the same"),
    "determinism": Ask("determinism", "do two runs give the same bits"),
}


def ask(name: str, question: "Question") -> "Check":
    """The check of that name; it leaves the models and the random state as they are."""
    from dataclasses import replace

    from compare.trial.given import tensors_in
    from compare.trial.randomness import undisturbed

    check = import_module(f"compare.checks.{CHECKS[name].module}").check
    with undisturbed(tensors_in(list(question.inputs))):
        return replace(check(question), name=name)
