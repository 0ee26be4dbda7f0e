"""Is it the same in two processes with half the batch each, under DistributedDataParallel."""

import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from compare.checks.check import AGREES, NOT_AVAILABLE, WRONG, Check
from compare.trial.case import Case
from compare.trial.errors import said
from compare.trial.given import Given, tensors_in
from compare.trial.question import Question, parameters
from compare.verdict.judge import judge

_SECONDS = 60


def check(question: Question) -> Check:
    """The gradients that both ranks end up with, against the mean of the two halves', in float64.

    That mean is the gradient of the whole batch where the loss is a mean over it.
    """
    model, loss = question.manual_case().copies(torch.float64)
    if not isinstance(model, nn.Module) or not parameters(model):
        return Check(NOT_AVAILABLE, "only for modules with parameters")
    given = Case.given(question.given, torch.float64)
    batch = next((x.shape[0] for x in given.tensors if x.dim()), 0)
    if batch < 2:
        return Check(NOT_AVAILABLE, "a batch of one cannot be split")
    halves = [_half(given, batch, rank) for rank in range(2)]
    try:
        alone = [_gradients(model, model, loss, half) for half in halves]
        together = _in_two_processes((model, loss, halves))
    except Exception as error:
        return Check(NOT_AVAILABLE, said(error)[:300])
    wrong = []
    for name in alone[0]:
        mean = (alone[0][name] + alone[1][name]) / 2
        for found in together:
            if not judge(name, "parameter", found[name], mean, mean).passed:
                wrong.append(name)
    if wrong:
        return Check(WRONG, f"two processes get other gradients: {', '.join(dict.fromkeys(wrong))}")
    return Check(AGREES, f"{len(alone[0])} gradients, the same in two processes")


def _half(given: Given, batch: int, rank: int) -> Given:
    middle = batch // 2

    def part(x: Tensor) -> Tensor:
        mine = slice(rank * middle, (rank + 1) * middle)
        return x.detach()[mine] if x.dim() and x.shape[0] == batch else x.detach()

    return given.map(part)


def _gradients(
    model: nn.Module, called: Callable[..., Any], loss: Any, given: Given
) -> dict[str, Tensor]:
    model.zero_grad(set_to_none=True)
    with torch.random.fork_rng(devices=[]):
        given.random_state.restore()
        output = called(*given.args, **given.kwargs)
        if loss is not None:
            output = loss(output) if given.targets is None else loss(output, given.targets)
        sum(x.sin().sum() for x in tensors_in(output)).backward()  # type: ignore[union-attr]
    gradients = {n: p.grad for n, p in parameters(model).items() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return gradients


def _in_two_processes(work: Any) -> list[dict[str, Tensor]]:
    """Each rank reads its work from a file and writes what it found into another."""
    with tempfile.TemporaryDirectory() as folder:
        torch.save(work, Path(folder, "work"))
        context = torch.multiprocessing.spawn(_rank, (folder,), nprocs=2, join=False)
        found = [Path(folder, f"found {rank}") for rank in range(2)]
        deadline = time.monotonic() + _SECONDS
        try:
            while not context.join(1):  # raises what a rank raised, after ending the other one
                if time.monotonic() > deadline:
                    for process in context.processes:
                        process.kill()
                    raise TimeoutError(f"two processes did not finish within {_SECONDS} s")
        except torch.multiprocessing.ProcessExitedException:
            # gloo's threads sometimes abort a process that is done and ends.
            if not all(path.exists() for path in found):
                raise
        return [torch.load(path) for path in found]


def _rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=_SECONDS / 2),
    )
    try:
        # Written by this very check a moment ago, so it may be anything that can be pickled.
        model, loss, halves = torch.load(Path(folder, "work"), weights_only=False)
        wrapped = DistributedDataParallel(model)
        aside = Path(folder, f"aside {rank}")
        torch.save(_gradients(model, wrapped, loss, halves[rank]), aside)
        aside.rename(Path(folder, f"found {rank}"))
        torch.distributed.barrier()  # nobody ends before both are done
    finally:
        torch.distributed.destroy_process_group()
