"""System 1: the perceptron, its threshold, its learning rule and where that fails."""

from collections.abc import Iterator

import torch
from torch import Tensor

from compare.notes.row import Row, agrees, equal, fact, misprint, unreadable
from manual_backprop.perceptron import Learning, Perceptron

X = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
AND, OR, XOR = [0, 0, 0, 1], [0, 1, 1, 1], [0, 1, 1, 0]

CALL = "manual_backprop.perceptron.Perceptron.__call__"
LEARN = "manual_backprop.perceptron.Perceptron.learn"
THRESHOLD = "manual_backprop.perceptron.Perceptron.from_threshold"


def obeys_the_rule(learning: Learning, x: Tensor, y: list[int]) -> bool:
    """Whether every update on record is w ± x for an example that w got wrong."""
    ones = torch.cat([torch.ones(len(x), 1, dtype=x.dtype), x], 1)
    for before, after, i in zip(
        learning.weights[:-1], learning.weights[1:], learning.picked, strict=True
    ):
        fires = bool(before @ ones[i] >= 0)
        expected = before + ones[i] if y[i] == 1 else before - ones[i]
        if fires == bool(y[i]) or not torch.allclose(after, expected, rtol=0, atol=1e-12):
            return False
    return True


def rows() -> Iterator[Row]:
    """The rows of system 1."""
    yield agrees(
        "002:14",
        "neurons in a human brain",
        "around 10¹¹",
        fact(
            round(torch.tensor(86e9).log10().item()) == 11,
            "86·10⁹ (counted by Azevedo et al. 2009)",
        ),
        "compare.notes.perceptron.rows",
    )
    yield unreadable(
        "002:32",
        "output of a perceptron",
        "ŷ = (Σ wᵢxᵢ)",
        "the name of the function before the bracket is lost; g in line 187",
        CALL,
    )
    w, x = (
        torch.tensor([2.0, -1.0, 3.0], dtype=torch.float64),
        torch.cartesian_prod(*[torch.arange(-2.0, 3.0, dtype=torch.float64)] * 3),
    )
    fires = (x @ w >= 3).long()
    yield agrees(
        "002:43",
        "fires where the sum reaches θ, or the sum − θ reaches 0",
        "Σ wᵢxᵢ ≥ θ ⇔ Σ wᵢxᵢ − θ ≥ 0",
        fact(
            torch.equal(fires, Perceptron.from_threshold(w.tolist(), 3)(x)),
            f"the same on {len(x)} points, {int((x @ w == 3).sum())} of them at Σ = θ",
        ),
        THRESHOLD,
    )
    yield agrees(
        "002:70",
        "the threshold as weight of a constant input",
        "w₀ = −θ, x₀ = 1",
        fact(torch.equal(fires, Perceptron([-3, *w])(x)), f"the same on {len(x)} points"),
        CALL,
    )
    yield unreadable(
        "002:79",
        "output of a perceptron",
        "ŷ = 1 if Σ ≥ 0, ∀ if Σ < 0",
        "the 0 of the second case is lost; lines 66 to 68 have it",
        CALL,
    )
    line = torch.tensor([[0.0, 1.0], [1.0, 0.0], [3.0, -2.0]], dtype=torch.float64)
    normal = torch.tensor([1.0, 1.0], dtype=torch.float64)
    edge = Perceptron([-1, *normal])
    yield agrees(
        "002:84",
        "the decision boundary",
        "wᵀx = 0",
        fact(
            edge(line).all() and edge(line + normal).all() and not edge(line - 1e-9 * normal).any(),
            "fires on the line and above it, not 10⁻⁹ below",
        ),
        CALL,
    )
    for name, y in (("AND", AND), ("OR", OR)):
        learning = (learner := Perceptron.random(2)).learn(X, y)
        yield agrees(
            "002:94",
            f"the learning rule learns {name}",
            "w = w + x, w = w − x",
            fact(
                obeys_the_rule(learning, X, y) and learner(X).tolist() == y,
                f"{learning.stopped} after {len(learning.picked)} updates, each w ± x",
            ),
            LEARN,
        )
    real = torch.randn(40, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    side = (real @ torch.tensor([1.5, -1.0], dtype=torch.float64) >= 0.3).long()
    learning = (learner := Perceptron.random(2)).learn(real, side, max_picks=20_000)
    yield agrees(
        "002:88",
        "weights and threshold can be learned, inputs are real",
        "(in words)",
        fact(
            torch.equal(learner(real), side) and bool(learning.separable),
            f"40 points: {learning.stopped} after {len(learning.picked)} updates",
        ),
        LEARN,
    )
    quiet = Perceptron.random(2).learn(real, side, patience=20)
    yield agrees(
        "002:110",
        "convergence: no more errors, or predictions are not changing",
        "(in words)",
        fact(
            learning.stopped == "no error left" and quiet.stopped == "predictions stopped changing",
            f"each is a way to stop; 20 picks without a change come at {quiet.correct:.1%} correct",
        ),
        LEARN,
    )
    yield from _threshold_in_words(w, x, fires)
    learning = Perceptron.random(2).learn(X, XOR)
    best = ", ".join(f"{weight:.2f}" for weight in learning.best)
    yield agrees(
        "002:140",
        "one perceptron cannot separate XOR",
        "(in words)",
        fact(
            learning.separable is False and learning.correct == 0.75,
            f"not separable (updates cancel); best w seen ({best}): 3 of 4 right",
        ),
        LEARN,
    )
    noisy = side.clone()
    noisy[0] = 1 - noisy[0]
    almost = Perceptron.random(2).learn(real, noisy, enough=0.9)
    yield agrees(
        "002:142",
        "stop when almost all are right; leads to few errors",
        "say 90 %",
        fact(
            almost.stopped == "enough correct" and 0.9 <= almost.correct < 1,
            f"stops at {almost.correct:.1%} with one of 40 labels wrong",
        ),
        LEARN,
    )


def _threshold_in_words(w: Tensor, x: Tensor, fires: Tensor) -> Iterator[Row]:
    """The sentence of lines 133 and 151, which contradicts the formulas above it twice."""
    at_threshold = x[x @ w == 3]
    greater = (x @ w > 3).long()
    yield misprint(
        "002:133",
        "when a perceptron fires",
        "sum greater than threshold",
        fact(torch.equal(greater, fires), f"wrong on {int((greater != fires).sum())} points"),
        "greater or equal",
        fact(
            Perceptron.from_threshold(w.tolist(), 3)(at_threshold).all(),
            f"fires on all {len(at_threshold)} points at Σ = θ",
        ),
        CALL,
    )
    b = 3.0  # b = −w₀ = θ, put into g(b + Σ wᵢxᵢ) of line 189
    yield misprint(
        "002:133",
        "threshold, bias and w₀",
        "threshold (b = −w₀)",
        equal((b + x @ w >= 0).double(), fires.double()),
        "θ = −w₀, and b = w₀ as in lines 55 and 72",
        equal((-b + x @ w >= 0).double(), fires.double()),
        CALL,
    )
