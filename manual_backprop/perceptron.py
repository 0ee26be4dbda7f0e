"""Perceptron and sigmoid neuron: one neuron, its learning rule, its gradient descent.

    perceptron       ŷ = 1 if wᵀx ≥ 0 else 0           x₀ = 1, bias w₀ = −θ, θ the threshold
    learning rule    w ← w + x  if y = 1 and ŷ = 0     one example at a time, picked at random
                     w ← w − x  if y = 0 and ŷ = 1

    sigmoid neuron   ŷ = σ(wᵀx + b)                    the smooth threshold
    squared error    L = ½ Σ_n (y_n − ŷ_n)²
    gradient         ∂L/∂w_i = Σ_n (ŷ_n − y_n) ŷ_n (1 − ŷ_n) x_ni
                     ∂L/∂b   = Σ_n (ŷ_n − y_n) ŷ_n (1 − ŷ_n)

n counts examples (m of them), i inputs. Shapes: x (m, i), or (m) for a single input; y and ŷ (m);
w (i), for the perceptron (1 + i) with w₀ first. All in float64: one neuron costs nothing.

Source: lecture note "Deep Learning". "Best weights seen" is the pocket rule (Gallant 1990); that
weights which come back prove the classes inseparable is the cycling argument in
``_prove_inseparable``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

Numbers = Tensor | Sequence[float] | Sequence[Sequence[float]]


def _rows(x: Numbers, inputs: int | None = None) -> Tensor:
    """``x`` as (m, i) in float64; refuses what is empty, not finite, or not ``inputs`` wide."""
    x = torch.as_tensor(x, dtype=torch.float64)
    rows = x.unsqueeze(1) if x.dim() == 1 else x
    if rows.dim() != 2 or rows.numel() == 0:
        raise ValueError(
            f"expected x of shape (examples, inputs), at least one each, got {tuple(x.shape)}"
        )
    if inputs is not None and rows.shape[1] != inputs:
        raise ValueError(f"expected x of shape (examples, {inputs}), got {tuple(x.shape)}")
    if not rows.isfinite().all():
        raise ValueError(f"x of shape {tuple(x.shape)} contains NaN or infinity")
    return rows


def _targets(y: Numbers, x: Tensor) -> Tensor:
    """``y`` as (m) in float64, one number in [0, 1] for each row of ``x``."""
    y = torch.as_tensor(y, dtype=torch.float64)
    if y.shape != x.shape[:1]:
        raise ValueError(
            f"expected y of shape ({len(x)},), one per row of x {tuple(x.shape)}, "
            f"got {tuple(y.shape)}"
        )
    if not ((y >= 0) & (y <= 1)).all():  # NaN is refused here too
        raise ValueError(f"expected every y in [0, 1], got {y.min():g} to {y.max():g}")
    return y


def _labels(y: Numbers, x: Tensor) -> Tensor:
    """``y`` as (m): zeros and ones, both present."""
    y = _targets(y, x)
    if not ((y == 0) | (y == 1)).all():
        raise ValueError(f"expected labels 0 and 1, got {y.unique().tolist()}")
    if (y == y[0]).all():
        raise ValueError(f"expected both labels, 0 and 1, got only {y[0]:g} ({len(y)} examples)")
    return y


@dataclass(frozen=True)
class Learning:
    """What the learning rule did.

    Attributes:
        weights: (updates + 1, 1 + i), w before the first and after every update.
        picked: the example (row of x) that caused each update.
        picks: how many examples were looked at.
        stopped: ``"no error left"``, ``"enough correct"``, ``"predictions stopped changing"`` or
            ``"maximum number of picks"``.
        best: (1 + i), the weights that got most examples right; the perceptron keeps these.
        correct: their share of right predictions.
        separable: ``True`` if a line was found, ``False`` if there is none, ``None`` if neither
            was shown.
    """

    weights: Tensor
    picked: list[int]
    picks: int
    stopped: str
    best: Tensor
    correct: float
    separable: bool | None


class Perceptron:
    """ŷ = 1 if wᵀx ≥ 0 else 0.

    Args:
        weights: w, shape (1 + i), the bias w₀ = −θ first.
    """

    def __init__(self, weights: Numbers):
        self.weights = torch.as_tensor(weights, dtype=torch.float64)
        if self.weights.dim() != 1 or len(self.weights) < 2 or not self.weights.isfinite().all():
            raise ValueError(
                "expected finite weights of shape (1 + inputs,), the bias first, "
                f"got {tuple(self.weights.shape)}"
            )

    @classmethod
    def random(cls, inputs: int, seed: int = 0) -> "Perceptron":
        """Weights from a normal distribution, where the learning rule may start."""
        generator = torch.Generator().manual_seed(seed)
        return cls(torch.randn(1 + inputs, generator=generator, dtype=torch.float64))

    @classmethod
    def from_threshold(cls, weights: Sequence[float], threshold: float) -> "Perceptron":
        """Fires where Σ_{i ≥ 1} w_i x_i ≥ θ."""
        return cls([-threshold, *weights])

    def __call__(self, x: Numbers) -> Tensor:
        """ŷ (m), zeros and ones (int64)."""
        rows = _rows(x, len(self.weights) - 1)
        return (self.weights[0] + rows @ self.weights[1:] >= 0).long()

    def learn(
        self,
        x: Numbers,
        y: Numbers,
        *,
        seed: int = 0,
        max_picks: int = 1000,
        enough: float = 1.0,
        patience: int | None = None,
    ) -> Learning:
        """The learning rule of the notes, with each of their ways to stop.

        Args:
            x: (m, i).
            y: (m), labels 0 and 1.
            seed: of the random picks.
            max_picks: stop after so many examples.
            enough: stop at this share of right predictions; 0.9 is the notes' "almost".
            patience: stop when so many picks in a row changed no prediction; ``None`` for never.

        Raises:
            ValueError: no data, NaN, one label only, or shapes that do not fit.
        """
        rows = _rows(x, len(self.weights) - 1)
        labels = _labels(y, rows)
        if not 0 < enough <= 1 or max_picks < 0 or (patience is not None and patience < 1):
            raise ValueError(
                "expected 0 < enough ≤ 1, max_picks ≥ 0 and patience ≥ 1, "
                f"got {enough}, {max_picks} and {patience}"
            )
        generator = torch.Generator().manual_seed(seed)
        steps = (2 * labels - 1).unsqueeze(1) * torch.cat([torch.ones(len(rows), 1), rows], 1)
        start, moved = self.weights, torch.zeros_like(self.weights)
        history, picked, moved_before = [start], list[int](), {tuple(moved.tolist()): 0}
        predictions = self(rows)
        best, correct, separable = start, (predictions == labels).double().mean().item(), None
        share, picks, quiet = correct, 0, 0
        while not (stopped := _why_stop(share, enough, quiet, patience, picks, max_picks)):
            pick = int(torch.randint(len(rows), (), generator=generator))
            picks, quiet = picks + 1, quiet + 1
            if predictions[pick] == labels[pick]:
                continue
            moved = moved + steps[pick]
            picked.append(pick)
            history.append(start + moved)
            self.weights = history[-1]
            if not torch.equal(new := self(rows), predictions):
                predictions, quiet = new, 0
            share = (predictions == labels).double().mean().item()
            if share > correct:
                best, correct = self.weights, share
            since = moved_before.setdefault(tuple(moved.tolist()), len(picked))
            if separable is None and since < len(picked):
                separable = False if _prove_inseparable(steps, picked[since:]) else None
        self.weights = best
        return Learning(
            torch.stack(history), picked, picks, stopped, best, correct, correct == 1 or separable
        )


def _why_stop(
    share: float, enough: float, quiet: int, patience: int | None, picks: int, max_picks: int
) -> str:
    """The reason to stop, or an empty string."""
    if share == 1:
        return "no error left"
    if share >= enough:
        return "enough correct"
    if patience is not None and quiet >= patience:
        return "predictions stopped changing"
    return "maximum number of picks" if picks >= max_picks else ""


def _prove_inseparable(steps: Tensor, picked: list[int]) -> bool:
    """Whether the updates ``picked`` cancel exactly, which no separable data allow.

    For weights v without an error, v·x ≥ 0 where y = 1 and −v·x > 0 where y = 0. Summed over
    updates that cancel, Σ ±v·x = 0; but x₀ = 1 can only cancel if some update had y = 0, and
    then the sum is > 0. So there is no such v. Fractions, because floats might cancel by rounding.
    """
    return all(sum(map(Fraction, column)) == 0 for column in steps[picked].T.tolist())


class Descent(NamedTuple):
    """The path of gradient descent, start included: w (t + 1, i), b (t + 1) and L (t + 1)."""

    w: Tensor
    b: Tensor
    loss: Tensor


class SigmoidNeuron:
    """ŷ = σ(wᵀx + b).

    Args:
        w: (i), or a number for a single input.
        b: the bias.
    """

    def __init__(self, w: Numbers | float, b: Tensor | float = 0.0):
        self.w = torch.as_tensor(w, dtype=torch.float64).reshape(-1)
        self.b = torch.as_tensor(b, dtype=torch.float64).reshape(())

    def __call__(self, x: Numbers) -> Tensor:
        """ŷ (m)."""
        return torch.sigmoid(_rows(x, len(self.w)) @ self.w + self.b)

    def loss(self, x: Numbers, y: Numbers) -> Tensor:
        """L = ½ Σ (y − ŷ)²."""
        return (_targets(y, _rows(x)) - self(x)).square().sum() / 2

    def gradient(self, x: Numbers, y: Numbers) -> tuple[Tensor, Tensor]:
        """∂L/∂w (i) and ∂L/∂b ()."""
        rows = _rows(x, len(self.w))
        a = self(rows)
        delta = (a - _targets(y, rows)) * a * (1 - a)  # δ = ∂L/∂z
        return delta @ rows, delta.sum()

    def descend(self, x: Numbers, y: Numbers, lr: float = 1.0, steps: int = 1000) -> Descent:
        """Gradient descent, ``steps`` times θ ← θ − η ∂L/∂θ; returns the whole path."""
        path = [(self.w, self.b, self.loss(x, y))]
        for _ in range(steps):
            grad_w, grad_b = self.gradient(x, y)
            self.w, self.b = self.w - lr * grad_w, self.b - lr * grad_b
            path.append((self.w, self.b, self.loss(x, y)))
        return Descent(*(torch.stack(column) for column in zip(*path, strict=True)))


def loss_surface(x: Numbers, y: Numbers, w: Numbers, b: Numbers) -> Tensor:
    """L at every w_p and b_q, shape (p, q), for a neuron with a single input."""
    rows = _rows(x, 1)
    w, b = _rows(w, 1), _rows(b, 1)
    a = torch.sigmoid(w.unsqueeze(1) * rows.T + b)  # (p, 1, 1)·(1, m) + (q, 1) → (p, q, m)
    return (_targets(y, rows) - a).square().sum(-1) / 2


def guesses(x: Numbers, y: Numbers, pairs: Sequence[tuple[float, float]]) -> Tensor:
    """The notes' table: one row (w, b, L) for each guess (w, b)."""
    return torch.tensor(
        [[w, b, SigmoidNeuron(w, b).loss(x, y)] for w, b in pairs], dtype=torch.float64
    )
