"""Is it the same for tensors that are not contiguous."""

from collections.abc import Callable

import torch
from torch import Tensor

from compare.checks.check import AGREES, NOT_AVAILABLE, WRONG, Check
from compare.trial.errors import said
from compare.trial.question import Question
from compare.trial.trial import run
from compare.verdict.judging import judge_trials


def check(question: Question) -> Check:
    """The same numbers as transposed, cut out of a larger tensor, and with channels last."""
    wrong, asked = [], []
    for name, laid_out in _LAYOUTS.items():
        given = question.given.map(laid_out)
        try:
            [trial] = run(question.sides(), given, {name: question.cotangents(given)})
        except Exception as error:
            return Check(NOT_AVAILABLE, f"not supported by the reference: {said(error)}")
        asked.append(name)
        if trial.raised:
            wrong.append(f"{name}: it raised {said(trial.raised)}")
            continue
        [(_, rows)] = judge_trials([trial], question.pairing)
        names = [row.name for row in rows if not row.passed]
        if names:
            wrong.append(f"{name}: {', '.join(names)}")
    if wrong:
        return Check(WRONG, f"wrong for inputs that are not contiguous, {'; '.join(wrong)}")
    return Check(AGREES, f"inputs {', '.join(asked)}")


def _transposed(x: Tensor) -> Tensor:
    order = tuple(reversed(range(x.dim())))
    return x.detach().permute(order).contiguous().permute(order)


def _cut_out(x: Tensor) -> Tensor:
    if not x.dim():
        return x.detach()
    larger = torch.zeros(*x.shape[:-1], x.shape[-1] + 3, dtype=x.dtype, device=x.device)
    inside = larger[..., 2:-1]
    inside.copy_(x.detach())
    return inside


def _channels_last(x: Tensor) -> Tensor:
    return x.detach().contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x.detach()


_LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "transposed": _transposed,
    "cut out": _cut_out,
    "channels last": _channels_last,
}
