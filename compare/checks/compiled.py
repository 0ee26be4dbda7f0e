"""Is it the same under ``torch.compile``, without a break in the graph."""

import logging
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from compare.checks.check import AGREES, NOT_AVAILABLE, WRONG, Check
from compare.trial.case import Case, truth
from compare.trial.errors import said
from compare.trial.question import Question
from compare.trial.trial import Trial
from compare.trial.watch import Item
from compare.verdict.judging import judge_trials


def check(question: Question) -> Check:
    """Manual compiled with ``fullgraph=True``, by the three-way verdict."""
    given, fed_in = question.given, question.cotangents()
    reference, manual = question.reference_case(), question.manual_case()
    expected, after = reference.gradients(given, fed_in)
    true = truth(reference, given, fed_in, after)
    torch.compiler.reset()
    # It warns of CUDA tools that it does not find, also where nothing is on a GPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the compiler's own doing
            found = _compiled(manual, question, fed_in)
    except Exception as error:
        if isinstance(error, torch._dynamo.exc.Unsupported):
            return Check(WRONG, f"the graph breaks: {said(error).split('. ')[0]}")
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            return Check(NOT_AVAILABLE, f"no working compiler on this machine: {said(error)[:200]}")
        return Check(WRONG, f"when compiled, it raised {said(error)}")
    finally:
        torch.compiler.reset()
    [(_, rows)] = judge_trials(
        [Trial("random", fed_in, found, expected, lambda: true, given)], question.pairing
    )
    wrong = [row.name for row in rows if not row.passed]
    if wrong:
        return Check(WRONG, f"wrong when compiled: {', '.join(wrong)}")
    return Check(AGREES, f"{len(rows)} tensors, in one graph")


def _compiled(manual: Case, question: Question, fed_in: Sequence[Tensor]) -> list[Item]:
    model, loss = manual.copies()
    if isinstance(model, nn.Module):
        model.compile(fullgraph=True)
        return manual.gradients(question.given, fed_in)[0]
    compiled = torch.compile(model, fullgraph=True)
    return Case(compiled, loss, by_layer=False).gradients(question.given, fed_in)[0]
