"""System 1: the perceptron, its threshold, its learning rule and where that fails."""

import torch
from torch import Tensor

from compare.notes.by_autograd import float64
from compare.notes.claim import Claims, agrees, equal, fact, misprint, unreadable
from manual_backprop.perceptron import Learning, Perceptron

X = float64([[0, 0], [0, 1], [1, 0], [1, 1]])
AND, OR, XOR = [0, 0, 0, 1], [0, 1, 1, 1], [0, 1, 1, 0]
FIRES, LEARN, THRESHOLD = Perceptron.__call__, Perceptron.learn, Perceptron.from_threshold


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


# fmt: off
def claims() -> Claims:
    """Note 002, lines 14 to 142."""
    w, x = float64([2, -1, 3]), torch.cartesian_prod(*[float64(range(-2, 3))] * 3)
    fires = (x @ w >= 3).long()  # θ = 3
    at_3 = x[x @ w == 3]
    line, normal = float64([[0, 1], [1, 0], [3, -2]]), float64([1, 1])
    edge = Perceptron([-1, *normal])
    right_side = edge(line).all() and edge(line + normal).all()
    yield agrees("002:14", "neurons in a human brain", "around 10¹¹",
        fact(round(float64(86e9).log10().item()) == 11, "86·10⁹ (counted by Azevedo et al. 2009)"),
        claims)
    yield unreadable("002:32", "output of a perceptron", "ŷ = (Σ wᵢxᵢ)",
        "the name of the function before the bracket is lost; g in line 187", None, FIRES)
    yield agrees("002:43", "fires where the sum reaches θ, or the sum − θ reaches 0",
        "Σ wᵢxᵢ ≥ θ ⇔ Σ wᵢxᵢ − θ ≥ 0",
        fact(torch.equal(fires, Perceptron.from_threshold(w.tolist(), 3)(x)),
             f"the same on {len(x)} points, {len(at_3)} of them at Σ = θ"), THRESHOLD)
    yield agrees("002:70", "the threshold as weight of a constant input", "w₀ = −θ, x₀ = 1",
        fact(torch.equal(fires, Perceptron([-3, *w])(x)), f"the same on {len(x)} points"), FIRES)
    yield unreadable("002:79", "output of a perceptron", "ŷ = 1 if Σ ≥ 0, ∀ if Σ < 0",
        "the 0 of the second case is lost; lines 66 to 68 have it", None, FIRES)
    yield agrees("002:84", "the decision boundary", "wᵀx = 0",
        fact(right_side and not edge(line - 1e-9 * normal).any(),
             "fires on the line and above it, not 10⁻⁹ below"), FIRES)
    yield from _learning(w, x, fires)


def _learning(w: Tensor, x: Tensor, fires: Tensor) -> Claims:
    """The rule, where it ends, and what it cannot learn; ``fires`` is ŷ of w at θ = 3."""
    real = torch.randn(40, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    side = (real @ float64([1.5, -1]) >= 0.3).long()
    one_wrong = side.clone()
    one_wrong[0] = 1 - one_wrong[0]
    at_3, greater = x[x @ w == 3], (x @ w > 3).long()
    b = 3.0  # b = −w₀ = θ, put into g(b + Σ wᵢxᵢ) of line 189
    for name, y in (("AND", AND), ("OR", OR)):
        done = (learner := Perceptron.random(2)).learn(X, y)
        yield agrees("002:94", f"the learning rule learns {name}", "w = w + x, w = w − x",
            fact(obeys_the_rule(done, X, y) and learner(X).tolist() == y,
                 f"{done.stopped} after {len(done.picked)} updates, each w ± x"), LEARN)
    done = (learner := Perceptron.random(2)).learn(real, side, max_picks=20_000)
    yield agrees("002:88", "weights and threshold can be learned, inputs are real", "(in words)",
        fact(torch.equal(learner(real), side) and bool(done.separable),
             f"40 points: {done.stopped} after {len(done.picked)} updates"), LEARN)
    quiet = Perceptron.random(2).learn(real, side, patience=20)
    both = done.stopped == "no error left" and quiet.stopped == "predictions stopped changing"
    yield agrees("002:110", "convergence: no more errors, or predictions are not changing",
        "(in words)",
        fact(both, "each is a way to stop; "
                   f"20 picks without a change come at {quiet.correct:.1%} correct"), LEARN)
    # The sentence of lines 133 and 151 contradicts the formulas above it twice.
    yield misprint("002:133", "when a perceptron fires", "sum greater than threshold",
        fact(torch.equal(greater, fires), f"wrong on {int((greater != fires).sum())} points"),
        "greater or equal", fact(Perceptron.from_threshold(w.tolist(), 3)(at_3).all(),
             f"fires on all {len(at_3)} points at Σ = θ"), FIRES)
    yield misprint("002:133", "threshold, bias and w₀", "threshold (b = −w₀)",
        equal((b + x @ w >= 0).double(), fires.double()),
        "θ = −w₀, and b = w₀ as in lines 55 and 72",
        equal((-b + x @ w >= 0).double(), fires.double()), FIRES)
    xor = Perceptron.random(2).learn(X, XOR)
    best = ", ".join(f"{weight:.2f}" for weight in xor.best)
    yield agrees("002:140", "one perceptron cannot separate XOR", "(in words)",
        fact(xor.separable is False and xor.correct == 0.75,
             f"not separable (updates cancel); best w seen ({best}): 3 of 4 right"), LEARN)
    almost = Perceptron.random(2).learn(real, one_wrong, enough=0.9)
    yield agrees("002:142", "stop when almost all are right; leads to few errors", "say 90 %",
        fact(almost.stopped == "enough correct" and 0.9 <= almost.correct < 1,
             f"stops at {almost.correct:.1%} with one of 40 labels wrong"), LEARN)
