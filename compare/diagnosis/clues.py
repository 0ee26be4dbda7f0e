"""One gradient in all trials: what manual has, what is right, and whether a guess explains it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from compare.diagnosis.evidence import Evidence
from compare.diagnosis.graph import Graph
from compare.trial.derived import SATURATING
from compare.trial.key import Key, Kind
from compare.verdict.judge import C, largest

# A guess is computed along another way than manual's number, so it rounds otherwise; it must be
# nearer than any two guesses are to each other.
_SLACK = {torch.float64: 16.0, torch.float32: 8.0, torch.float16: 2.0, torch.bfloat16: 2.0}

# The share of an error that a guess may leave unexplained.
_NEARER = 0.25
_NEARLY = 1e-2  # where the input saturates: there sums of large numbers cancel

Guess = Callable[["Clue"], Tensor | None]


@dataclass(frozen=True)
class Clue:
    """One gradient in one trial; ``m`` is manual's and ``t`` the true one, both in float64."""

    gradient: Key
    evidence: Evidence
    found: Tensor | None  # manual's, in its own dtype
    t: Tensor
    fitting: dict[int, list[Any]] = field(default_factory=dict)  # by graph, see ``local``

    @cached_property
    def m(self) -> Tensor:
        """Manual's, in float64."""
        assert self.found is not None
        return self.found.detach().double()

    @cached_property
    def x(self) -> Tensor:
        """The input that this is the gradient of; for a parameter, the first one."""
        e = self.evidence
        if not e.inputs:  # integers alone, as many as there are rows of what comes in from above
            return self.g
        index = self.gradient.place if self.of_input else 0
        return e.inputs[e.differentiated[index] if e.differentiated else index]

    @property
    def g(self) -> Tensor:
        """The incoming gradient; of several outputs the first one's."""
        return self.evidence.incoming[0]

    @property
    def y(self) -> Tensor:
        """The output; of several the first."""
        return self.evidence.outputs[0]

    @property
    def of_input(self) -> bool:
        """Whether this is the gradient of an input."""
        return self.gradient.kind is Kind.INPUT

    @property
    def samples(self) -> int:
        """How many there are, where dim 0 of what comes in counts them."""
        return self.x.shape[0] if self.x.dim() else 1

    @cached_property
    def graphs(self) -> list[Graph]:
        """The reference's graph with its kernels written out, and as it is.

        Those that give the right gradient: not one that draws random numbers in another order.
        """
        found: list[Graph] = []
        if self.evidence.graph is None:
            return found
        for written_out in (True, False):
            try:
                graph = self.evidence.graph(written_out)
                gradient = graph.gradient(self.gradient, self.evidence.incoming)
            except Exception:
                continue
            alike = gradient is not None and torch.allclose(gradient, self.t, rtol=1e-9, atol=1e-12)
            steps = [node.name() for node in graph.nodes]
            if alike and all(steps != [node.name() for node in other.nodes] for other in found):
                found.append(graph)
        return found

    @cached_property
    def size(self) -> float:
        """Of the largest number in it, or of its terms, where they cancel."""
        return max(largest(self.t), self.evidence.scales.get(self.gradient, 0.0))

    @cached_property
    def is_right(self) -> bool:
        """Whether manual has what is true, of the same shape."""
        return self.is_near(self.t)

    def tolerance(self, guess: Tensor) -> float:
        """How far from a guess manual may be."""
        dtype = self.evidence.dtype
        size = self.size if guess is self.t else max(largest(guess), self.size)
        return _SLACK[dtype] * C[dtype] * torch.finfo(dtype).eps * size

    def is_near(self, guess: Tensor) -> bool:
        """Whether manual has this, but for rounding."""
        if guess.shape != self.m.shape:
            return False
        return bool(((self.m - guess).abs() <= self.tolerance(guess)).all())

    def is_nearly(self, guess: Tensor) -> bool:
        """Whether this explains manual but for what an input that saturates makes of roundings."""
        if self.evidence.input != SATURATING or guess.shape != self.m.shape or self.is_near(self.t):
            return False
        return largest(self.m - guess) <= _NEARLY * largest(self.m - self.t)

    def vjp(
        self,
        inputs: Sequence[Tensor] | None = None,
        incoming: Sequence[Tensor] | None = None,
        parameters: Mapping[str, Tensor] | None = None,
    ) -> Tensor | None:
        """This gradient, asked of the reference elsewhere."""
        e = self.evidence
        found = e.vjp(
            e.inputs if inputs is None else inputs,
            e.incoming if incoming is None else incoming,
            {**e.parameters, **(parameters or {})},
        )
        return found.get(self.gradient)


class Clues:
    """All trials of one gradient."""

    def __init__(
        self, gradient: Key, trials: Sequence[Evidence], known: Sequence[Clue] = ()
    ) -> None:
        """``known`` are clues that some of the trials have given already."""
        self.gradient = gradient
        made = {id(clue.evidence): clue for clue in known}
        self.every = [
            made.get(id(e)) or Clue(gradient, e, e.manual.get(gradient), e.right[gradient])
            for e in trials
            if gradient in e.right
        ]
        self.all = self.every
        # Where it overflows on some inputs, what is wrong on the others tells more.
        finite = [t for t in self.all if t.found is None or bool(t.found.isfinite().all())]
        if any(t.found is None or not t.is_near(t.t) for t in finite):
            self.all = finite

    def among(self, trials: Sequence[Evidence]) -> "Clues":
        """Those of these trials alone."""
        return Clues(self.gradient, trials, self.every)

    @property
    def parameter(self) -> str | None:
        """The name of the parameter that this is the gradient of, if it is one."""
        return self.gradient.name if self.gradient.kind is Kind.PARAMETER else None

    @property
    def trials(self) -> list[Clue]:
        """Those in which manual has a gradient, of the right shape."""
        return [t for t in self.all if t.found is not None and t.found.shape == t.t.shape]

    @property
    def first(self) -> Clue:
        """The first in which it is wrong."""
        return self.all[0]

    def wrong(self) -> Iterator[Clue]:
        """Those in which manual has not the right one."""
        return (trial for trial in self.trials if not trial.is_right)

    def explained_by(self, guess: Guess) -> bool:
        """Whether manual has what is guessed in all trials, and that is not what is right.

        Where it is wrong by little, much is near it: a guess has to be a good deal nearer to it
        than what is right.
        """
        told = False
        for trial in self.all:
            guessed = None if trial.found is None else guess(trial)
            if guessed is None or not (trial.is_near(guessed) or trial.is_nearly(guessed)):
                return False
            if not trial.is_right:
                told = True
                if trial.t.shape == trial.m.shape:
                    left, error = largest(trial.m - guessed), largest(trial.m - trial.t)
                    if left > _NEARER * error:
                        return False
        return told
