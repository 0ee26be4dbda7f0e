"""The learner's code at work: in a process of its own, watched for what would not be by hand.

What it gives is told as JSON, which is read without running anything.
"""

import ast
import io
import json
import linecache
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from compare.exercises.exercise import Exercise, Scope
from compare.exercises.making import made
from compare.exercises.no_autograd import NotByHandError, Watch, watched
from compare.repair import sandbox
from compare.trial.errors import ComparisonError

#: Seconds and bytes that an answer may take.
SECONDS, MEMORY = 8.0, 2**30
_MOST = 10_000  # numbers of a tensor that are told
_PRINTED = 1_000  # characters

Namespace = Mapping[str, Any]


@dataclass(frozen=True)
class Answers:
    """What the learner's code gave.

    Attributes:
        results: For each trial the tensors, in the order of the exercise, None where it gave none.
        error: Of Python: type, message, line and that line's text.
        by: Who differentiated in its place.
        printed: What it printed.
        stopped: Where it came to no end.
    """

    results: Sequence[Sequence[Tensor | None]] = ()
    error: Mapping[str, Any] | None = None
    by: str = ""
    printed: str = ""
    stopped: str = ""


def answers(
    exercise: Exercise, load: Callable[[], Namespace], file: str, scopes: Sequence[Scope]
) -> Answers:
    """Runs it on all trials, apart.

    Args:
        exercise: What it is asked.
        load: Runs the file; gives its names.
        file: As tracebacks call it.
        scopes: What it is given.

    Raises:
        ComparisonError: This system cannot fork.
    """
    if not sandbox.available():
        raise ComparisonError(
            "answers run in a forked process, which this operating system does not support"
        )
    _warm()

    def work(send: sandbox.Send) -> None:
        send(_told(exercise, load, file, scopes, lambda place: send({"at": place})))

    found = sandbox.run_apart(
        work, SECONDS, memory=MEMORY, encode=lambda m: json.dumps(m).encode(), decode=json.loads
    )
    if not isinstance(found, dict) or "at" in found:
        at = "" if not found else f" on trial {found['at'] + 1} of {len(scopes)}"
        return Answers(
            stopped=f"it did not finish{at}: it took over {SECONDS:g} seconds or "
            f"{MEMORY // 2**20} MiB, or ended its own process"
        )
    results = [[_read(x) for x in row] for row in found["results"]]
    return Answers(results, found["error"], found["by"], found["printed"])


@lru_cache(maxsize=1)
def _warm() -> None:
    """Let PyTorch import now, once and outside, what it imports when a mode is first entered."""
    with Watch().learner():
        torch.ones(1).exp()


def _told(
    exercise: Exercise,
    load: Callable[[], Namespace],
    file: str,
    scopes: Sequence[Scope],
    begun: Callable[[int], None],
) -> dict[str, Any]:
    """What is sent."""
    results: list[Any] = []
    printed, error, by = io.StringIO(), None, ""
    with redirect_stdout(printed), watched() as watch:
        try:
            with watch.learner():
                namespace = load()
            for place, scope in enumerate(scopes):
                begun(place)
                given = answer(exercise, namespace, scope, watch.learner)
                results.append([_written(x) for x in given])
        except NotByHandError as found:
            by = str(found)
        except sandbox.ForbiddenError as found:
            error = {
                "type": "",
                "message": f"only tensor arithmetic is allowed here, not {found}",
            }
        except BaseException as found:
            error = _of_python(found, file)
    by = by or watch.by
    return {"results": results, "error": error, "by": by, "printed": printed.getvalue()[:_PRINTED]}


@contextmanager
def _nobody() -> Iterator[None]:
    yield


def answer(
    exercise: Exercise,
    namespace: Namespace,
    scope: Scope,
    learner: Callable[[], Any] = _nobody,
) -> Sequence[Any]:
    """What the function or the class of the namespace gives on one trial.

    Args:
        exercise: What is asked.
        namespace: With the answer in it.
        scope: What it is given.
        learner: Entered wherever the learner's code runs.

    Raises:
        Exception: Whatever it raises.
    """
    if exercise.function not in namespace:
        raise NameError(f"{exercise.function} is no longer in the file")
    call = by_apply if exercise.is_class else _by_call
    found = call(exercise, namespace[exercise.function], scope, learner)
    found = found if isinstance(found, tuple | list) else (found,)
    return [part for each in found for part in (each if isinstance(each, list) else [each])]


def _by_call(exercise: Exercise, function: Any, scope: Scope, learner: Callable[[], Any]) -> Any:
    names = exercise.source.alone or exercise.source.arguments or arguments(exercise)
    given = [_copy(scope[name]) for name in names]
    with torch.no_grad(), learner():
        return function(*given)


def arguments(exercise: Exercise) -> tuple[str, ...]:
    """The names of what the function is given."""
    tree: Any = ast.parse(made(exercise).code).body[0]
    return tuple(a.arg for a in tree.args.args)


def by_apply(exercise: Exercise, cls: Any, scope: Scope, learner: Callable[[], Any]) -> Any:
    """The gradients as its backward returns them, before autograd sums or casts any."""
    names = exercise.arguments
    needed = scope.get("needed", exercise.of)
    given = {name: _copy(scope[name]) for name in names}
    for name in needed:
        given[name].requires_grad_()
    returned: list[Any] = []

    class Watched(cls):
        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Any:
            with learner():
                found = cls.backward(ctx, *gradients)
            returned[:] = found if isinstance(found, tuple) else (found,)
            return found

    if not isinstance(cls, type) or not issubclass(cls, torch.autograd.Function):
        raise TypeError(f"{exercise.function} is no longer a torch.autograd.Function")
    output = Watched.apply(*given.values())
    output = output[0] if isinstance(output, tuple) else output
    g = scope[exercise.incoming] if exercise.incoming else torch.ones_like(output)
    leaves = [given[name] for name in needed]
    if exercise.again:
        g = _copy(g).requires_grad_()
        first = torch.autograd.grad(output, leaves, g, create_graph=True)
        weights = [weights_like(x) for x in first]
        graph = [(x, w) for x, w in zip(first, weights, strict=True) if x.requires_grad]
        if not graph:
            return [None] * len(leaves)
        again = torch.autograd.grad(
            [x for x, _ in graph], [*leaves, g], [w for _, w in graph], allow_unused=True
        )
        return [*first, *again]
    try:
        torch.autograd.grad(output, leaves, g, allow_unused=True)
    except RuntimeError:
        if not returned:  # else autograd refuses a shape, which is judged below
            raise
    if len(returned) != len(names):
        raise TypeError(
            f"backward returns a gradient for each argument of forward: {len(names)}, "
            f"not {len(returned)}"
        )
    by_name = dict(zip(names, returned, strict=True))
    return [by_name[name] for name in exercise.of]


def weights_like(x: Tensor) -> Tensor:
    """What the second derivative is asked for: numbers of which no two are the same."""
    return torch.cos(torch.arange(x.numel(), dtype=x.dtype)).reshape(x.shape)


def _copy(value: Any) -> Any:
    if isinstance(value, list):
        return [_copy(x) for x in value]
    return value.detach().clone() if isinstance(value, Tensor) else value


def _of_python(error: BaseException, file: str) -> dict[str, Any]:
    """The error by the learner's line."""
    message = "".join(traceback.TracebackException.from_exception(error).format_exception_only())
    last = message.strip().splitlines()[-1]
    if isinstance(error, SyntaxError) and error.filename == file:
        return {"type": "SyntaxError", "message": last, "line": error.lineno, "text": error.text}
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    found: dict[str, Any] = {"type": type(error).__name__, "message": last}
    if frames:
        found |= {"line": frames[-1].lineno, "text": frames[-1].line}
    return found


def _written(x: Any) -> Any:
    if isinstance(x, int | float) and not isinstance(x, bool):
        x = torch.tensor(float(x), dtype=torch.float64)
    if not isinstance(x, Tensor):
        return None if x is None else {"not": type(x).__name__}
    dtype = str(x.dtype).removeprefix("torch.")
    numbers = x.detach().double().flatten()[:_MOST].tolist()
    return {"dtype": dtype, "shape": list(x.shape), "numbers": numbers}


def _read(told: Any) -> Tensor | None:
    if not isinstance(told, dict) or "not" in told:
        return None
    numbers = torch.tensor(told["numbers"], dtype=torch.float64)
    shape = torch.Size(int(n) for n in told["shape"])
    if shape.numel() != numbers.numel():
        return torch.full(shape, torch.nan, dtype=torch.float64) if shape.numel() < 10**6 else None
    dtype = getattr(torch, str(told["dtype"]), torch.float64)
    found = numbers.reshape(shape)
    return found.to(dtype) if isinstance(dtype, torch.dtype) and dtype.is_floating_point else found


def loads(text: str, file: str) -> Callable[[], Namespace]:
    """What runs a file's text; ``file`` is what tracebacks call it."""

    def load() -> Namespace:
        lines = [line + "\n" for line in text.splitlines()]
        linecache.cache[file] = (len(text), None, lines, file)
        namespace: dict[str, Any] = {"__name__": "exercise", "__file__": file}
        sys.modules.pop("exercise", None)
        exec(compile(text, file, "exec"), namespace)
        return namespace

    return load
