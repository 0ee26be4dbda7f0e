"""The trials of an exercise: what is given, and what is right, as autograd of the forward says."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from compare.diagnosis.evidence import Evidence
from compare.diagnosis.graph import Graph
from compare.diagnosis.written_out import WrittenOut
from compare.exercises.answering import Namespace, answer, weights_like
from compare.exercises.exercise import Exercise, Scope, as_tensors, draws
from compare.exercises.making import made
from compare.trial.key import Key, Kind

# Relative to the largest number of a result, and for one whose terms cancel. Right answers round
# otherwise, in float64.
_NEAR, _ZERO = 1e-9, 1e-12


@dataclass(frozen=True)
class TrialOfAnswer:
    """One question, with its answer."""

    scope: Scope
    right: Sequence[Tensor | None]
    whole: bool

    @property
    def size(self) -> int:
        """How many numbers there are to read in it."""
        return sum(x.numel() for x in self.scope.values() if isinstance(x, Tensor))


def trials(exercise: Exercise, seed: int = 0) -> list[TrialOfAnswer]:
    """The example and what is drawn, the smallest first."""
    if (exercise.name, seed) not in _TRIALS:
        _TRIALS[exercise.name, seed] = _trials(exercise, seed)
    return _TRIALS[exercise.name, seed]


_TRIALS: dict[tuple[str, int], list[TrialOfAnswer]] = {}  # a watcher asks again and again


def _trials(exercise: Exercise, seed: int) -> list[TrialOfAnswer]:
    scopes = [(exercise.draw(d), d.whole) for d in draws(seed)]
    scopes.append((example(exercise, scopes[0][0]), True))
    found = []
    for scope, whole in scopes:
        scope = dict(scope)
        scope |= exercise.also(scope)
        found.append(TrialOfAnswer(scope, right(exercise, scope), whole))
    return sorted(found, key=lambda t: (not t.whole, t.size))


def example(exercise: Exercise, drawn: Scope) -> Scope:
    """The example, of the types that are drawn."""
    found = as_tensors(exercise.example)
    for name, value in found.items():
        if isinstance(drawn[name], Tensor) and not isinstance(value, Tensor):
            found[name] = torch.tensor(value, dtype=drawn[name].dtype)
    return found


def example_trial(exercise: Exercise) -> dict[str, Any]:
    """The example with everything that the answer is given."""
    scope = dict(example(exercise, exercise.draw(draws(0)[0])))
    return {**scope, **exercise.also(scope)}


def right(exercise: Exercise, scope: Scope) -> list[Tensor | None]:
    """By autograd of the forward; where there is none to differentiate, by the source itself."""
    if exercise.forward is None or not exercise.of:
        return [torch.as_tensor(x) for x in answer(exercise, solution(exercise), scope)]
    needed = scope.get("needed", exercise.of)
    given = dict(zip(exercise.arguments, _arguments(exercise, scope), strict=True))
    leaves = {name: given[name].detach().clone().requires_grad_() for name in needed}
    output = _first(exercise.forward(*{**given, **leaves}.values()))
    g = scope[exercise.incoming] if exercise.incoming else torch.ones_like(output)
    if exercise.again:
        g = g.clone().requires_grad_()
    found = torch.autograd.grad(output, list(leaves.values()), g, create_graph=exercise.again)
    if exercise.again:
        weights = [weights_like(x) for x in found]
        again = torch.autograd.grad(found, [*leaves.values(), g], weights, allow_unused=True)
        return [x if x is None else x.detach() for x in (*found, *again)]
    by_name = dict(zip(leaves, found, strict=True))
    return [by_name.get(name) for name in exercise.of]


def solution(exercise: Exercise) -> Namespace:
    """What the file's names are with the source's own statement in the blank."""
    piece = made(exercise)
    return namespace(piece.with_answer(piece.answer))


def namespace(text: str) -> Namespace:
    """The names of a file of ours."""
    names: dict[str, Any] = {}
    exec(compile(text, "<exercise>", "exec"), names)
    return names


def is_right(found: Tensor | None, true: Tensor | None, relative: bool = False) -> bool:
    """Whether a result is the true one, but for rounding."""
    if found is None or true is None:
        return found is None and true is None
    if found.shape != true.shape or found.dtype != true.dtype:
        return False
    if relative:
        return bool(((found - true).abs() <= _NEAR * true.abs()).all())
    near = _NEAR * (true.abs().max() if true.numel() else 0) + _ZERO
    return bool(((found - true).abs() <= near).all())


def evidence(
    exercise: Exercise, trial: TrialOfAnswer, found: Sequence[Tensor | None]
) -> tuple[list[Key], Evidence]:
    """The keys of the results, and what a diagnosis is made from."""
    names = exercise.arguments
    tensors = {
        name: x
        for name, x in zip(names, _arguments(exercise, trial.scope), strict=True)
        if isinstance(x, Tensor) and x.is_floating_point()
    }
    parameters = {n: x for n, x in tensors.items() if n in exercise.parameters}
    inputs = {n: x for n, x in tensors.items() if n not in parameters}
    differentiated = [i for i, n in enumerate(inputs) if n in exercise.of]
    keys = []
    for name in exercise.of or [f"result {i}" for i in range(len(trial.right))]:
        if name in inputs:
            place = differentiated.index(list(inputs).index(name))
            keys.append(Key(Kind.INPUT, place=place))
        else:
            keys.append(Key(Kind.PARAMETER, name))
    outputs, incoming = _outputs(exercise, trial.scope)

    def vjp(x: Sequence[Tensor], g: Sequence[Tensor], p: Any) -> dict[Key, Tensor]:
        assert exercise.forward is not None
        scope = {**trial.scope, **dict(zip(inputs, x, strict=True)), **p}
        if exercise.incoming:
            scope[exercise.incoming] = g[0]
        return {k: t for k, t in zip(keys, right(exercise, scope), strict=True) if t is not None}

    def graph(written_out: bool) -> Graph:
        assert exercise.forward is not None
        given = dict(zip(names, _arguments(exercise, trial.scope), strict=True))
        leaves = {name: given[name].detach().clone().requires_grad_() for name in exercise.of}
        given |= leaves
        with WrittenOut() if written_out else nullcontext() as mode:
            output = _first(exercise.forward(*given.values()))
        arguments = mode.arguments if isinstance(mode, WrittenOut) else {}
        of_key = dict(zip(keys, leaves.values(), strict=True))
        called = dict(zip(keys, leaves, strict=True))
        return Graph([output], of_key, [given[n] for n in inputs], arguments, called)

    return keys, Evidence(
        "given", "random", list(inputs.values()), differentiated, parameters, outputs, incoming,
        manual={k: _double(x) for k, x in zip(keys, found, strict=False)},
        right={k: t for k, t in zip(keys, trial.right, strict=False) if t is not None},
        vjp=vjp, dtype=torch.float64, scales={}, label="",
        graph=graph if exercise.forward is not None and exercise.of else None,
    )  # fmt: skip


def _outputs(exercise: Exercise, scope: Scope) -> tuple[list[Tensor], list[Tensor]]:
    if exercise.forward is None:
        return [torch.ones(())], [torch.ones(())]
    output = _first(exercise.forward(*_arguments(exercise, scope)))
    g = scope[exercise.incoming] if exercise.incoming else torch.ones_like(output)
    return [output], [g]


def _arguments(exercise: Exercise, scope: Scope) -> list[Any]:
    return [scope[name] for name in exercise.arguments]


def _first(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def _double(x: Tensor | None) -> Tensor | None:
    return x if x is None or x.is_floating_point() else x.double()
