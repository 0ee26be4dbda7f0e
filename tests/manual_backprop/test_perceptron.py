"""Perceptron and sigmoid neuron, against the notes' figures and against autograd."""

import pytest
import torch

from manual_backprop import perceptron
from manual_backprop.perceptron import Perceptron, SigmoidNeuron, guesses, loss_surface

CORNERS = [[0, 0], [0, 1], [1, 0], [1, 1]]
GATES = {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "nand": [1, 1, 1, 0]}
XOR = [0, 1, 1, 0]
POINTS, TARGETS = [0.5, 2.5], [0.2, 0.9]  # the notes' two points


def separable_points(m=50):
    x = torch.randn(m, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return x, (x @ torch.tensor([1.0, -2.0], dtype=torch.float64) >= 0.5).long()


# --- the perceptron


def test_fires_at_the_threshold_itself():
    neuron = Perceptron.from_threshold([1, 1], threshold=2)
    assert neuron.weights.tolist() == [-2, 1, 1]
    assert neuron(CORNERS).tolist() == GATES["and"]


def test_a_single_input_may_be_a_plain_list():
    assert Perceptron.from_threshold([1], 0.5)([0.51, 0.49, 0.5]).tolist() == [1, 0, 1]


@pytest.mark.parametrize("labels", GATES.values(), ids=GATES)
@pytest.mark.parametrize("seed", range(5))
def test_learns_what_a_line_separates(labels, seed):
    neuron = Perceptron.random(2, seed)
    learning = neuron.learn(CORNERS, labels, seed=seed)
    assert neuron(CORNERS).tolist() == labels
    assert learning.stopped == "no error left"
    assert learning.separable is True
    assert learning.correct == 1
    assert torch.equal(learning.best, neuron.weights)


def test_every_update_adds_or_subtracts_the_example():
    x, y = separable_points()
    learning = Perceptron.random(2).learn(x, y, max_picks=5000)
    assert len(learning.picked) == len(learning.weights) - 1 > 5
    ones = torch.cat([torch.ones(len(x), 1, dtype=x.dtype), x], 1)
    for before, after, i in zip(
        learning.weights[:-1], learning.weights[1:], learning.picked, strict=True
    ):
        assert (before @ ones[i] >= 0) != bool(y[i])  # it was wrong
        torch.testing.assert_close(after, before + (2 * y[i] - 1) * ones[i])


@pytest.mark.parametrize("seed", range(5))
def test_xor_is_proved_inseparable_and_the_best_weights_are_kept(seed):
    neuron = Perceptron.random(2, seed)
    learning = neuron.learn(CORNERS, XOR, seed=seed)
    assert learning.separable is False
    assert learning.stopped == "maximum number of picks"
    assert learning.picks == 1000
    assert learning.correct == 0.75
    assert (neuron(CORNERS) == torch.tensor(XOR)).sum() == 3


def test_the_best_weights_are_not_the_last():
    learning = Perceptron.random(2).learn(CORNERS, XOR, max_picks=200)
    shares = [
        (Perceptron(w)(CORNERS) == torch.tensor(XOR)).double().mean() for w in learning.weights
    ]
    assert max(shares) == learning.correct > min(shares)


def test_contradicting_labels_are_inseparable():
    assert Perceptron([0.5, 1]).learn([0.3, 0.3], [0, 1]).separable is False


def test_nothing_is_claimed_after_too_few_picks():
    assert Perceptron.random(2).learn(CORNERS, XOR, max_picks=3).separable is None


def test_updates_that_cancel_only_by_rounding_prove_nothing():
    steps = torch.tensor([[1e16], [1.0], [-1e16]], dtype=torch.float64)
    assert steps.sum() == 0
    assert not perceptron._prove_inseparable(steps, [0, 1, 2])
    assert perceptron._prove_inseparable(steps, [0, 2])


def test_no_update_where_the_first_weights_are_right():
    learning = Perceptron([-2, 1, 1]).learn(CORNERS, GATES["and"])
    assert learning.picks == 0
    assert learning.weights.shape == (1, 3)
    assert learning.stopped == "no error left"


def test_stops_when_almost_all_are_right():
    x, y = separable_points()
    y[0] = 1 - y[0]
    learning = Perceptron.random(2).learn(x, y, enough=0.9)
    assert learning.stopped == "enough correct"
    assert 0.9 <= learning.correct < 1
    assert Perceptron.random(2).learn(CORNERS, XOR, enough=0.75).correct == 0.75
    assert Perceptron.random(2).learn(CORNERS, XOR, enough=0.75).stopped == "enough correct"


def test_stops_when_predictions_do_not_change():
    x, y = separable_points()
    neuron = Perceptron.random(2)
    learning = neuron.learn(x, y, patience=10)
    assert learning.stopped == "predictions stopped changing"
    assert learning.picks > 10  # so the count began anew with a change
    longer = Perceptron.random(2).learn(x, y, patience=1000, max_picks=5000)
    assert longer.picks > learning.picks


def test_the_seed_decides_the_picks():
    x, y = separable_points()
    runs = [Perceptron.random(2).learn(x, y, seed=seed).picked for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([], [], r"at least one each, got \(0,\)"),
        (torch.empty(3, 0), [0, 1, 0], r"got \(3, 0\)"),
        (torch.ones(2, 2, 2), [0, 1], r"got \(2, 2, 2\)"),
        ([[0, 1, 2], [1, 2, 3]], [0, 1], r"\(examples, 2\), got \(2, 3\)"),
        (CORNERS, [0, 1, 1], r"\(4,\), one per row of x \(4, 2\), got \(3,\)"),
        (CORNERS, [[0], [1], [1], [1]], r"got \(4, 1\)"),
        ([[float("nan"), 0], [1, 1]], [0, 1], "NaN"),
        ([[float("inf"), 0], [1, 1]], [0, 1], "infinity"),
        (CORNERS, [0, 1, 2, 1], "0 to 2"),
        (CORNERS, [0, 1, -1, 1], "-1 to 1"),
        (CORNERS, [0, 1, 0.5, 1], r"labels 0 and 1, got \[0.0, 0.5, 1.0\]"),
        (CORNERS, [0, 1, float("nan"), 1], "nan"),
        (CORNERS, [1, 1, 1, 1], "only 1"),
        (CORNERS, [0, 0, 0, 0], "only 0"),
    ],
)
def test_refuses_to_learn_from(x, y, message):
    with pytest.raises(ValueError, match=message):
        Perceptron.random(2).learn(x, y)


def test_one_example():
    neuron = Perceptron([-1, 2])
    assert neuron([0.5]).tolist() == [1]
    assert neuron([[0.4]]).tolist() == [0]
    with pytest.raises(ValueError, match=r"expected both labels, 0 and 1, got only 1 \(1 examples"):
        neuron.learn([0.5], [1])


def test_no_pick_is_no_update():
    learning = Perceptron([0, 1, 1]).learn(CORNERS, GATES["and"], max_picks=0)
    assert learning.picks == 0
    assert learning.picked == []
    assert learning.stopped == "maximum number of picks"
    assert learning.best.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "settings", [{"enough": 0}, {"enough": 1.1}, {"max_picks": -1}, {"patience": 0}]
)
def test_refuses_settings(settings):
    with pytest.raises(ValueError, match="expected 0 < enough"):
        Perceptron.random(2).learn(CORNERS, XOR, **settings)


@pytest.mark.parametrize("weights", [[1.0], [[1.0, 2.0]], [float("nan"), 1.0]])
def test_refuses_weights(weights):
    with pytest.raises(ValueError, match="finite weights of shape"):
        Perceptron(weights)


# --- the sigmoid neuron


def test_gradient_is_that_of_autograd():
    g = torch.Generator().manual_seed(6)
    x = torch.randn(7, 3, generator=g, dtype=torch.float64)
    y = torch.rand(7, generator=g, dtype=torch.float64)
    w = torch.randn(3, generator=g, dtype=torch.float64).requires_grad_()
    b = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    loss = ((y - torch.sigmoid(x @ w + b)) ** 2).sum() / 2
    expected = torch.autograd.grad(loss, (w, b))
    neuron = SigmoidNeuron(w.detach(), b.detach())
    torch.testing.assert_close(neuron.loss(x, y), loss.detach(), rtol=1e-14, atol=0)
    torch.testing.assert_close(neuron.gradient(x, y), expected, rtol=1e-13, atol=0)


def test_the_notes_table_of_guesses():
    table = guesses(POINTS, TARGETS, [(0.5, 0), (-0.1, 0), (1.78, -2.27)])
    assert table.shape == (3, 3)
    assert [f"{loss:.4f}" for _, _, loss in table] == ["0.0731", "0.1481", "0.0000"]


def test_descends_to_the_neuron_through_both_points():
    neuron = SigmoidNeuron(0.5, 0)
    path = neuron.descend(POINTS, TARGETS, lr=2, steps=1000)
    assert path.w.shape == (1001, 1)
    assert path.b.shape == path.loss.shape == (1001,)
    assert (path.loss.diff() <= 0).all()
    torch.testing.assert_close(neuron(POINTS), torch.tensor(TARGETS).double(), rtol=0, atol=1e-6)
    assert (round(neuron.w.item(), 2), round(neuron.b.item(), 2)) == (1.79, -2.28)


def test_a_step_is_the_gradient_times_the_rate():
    neuron = SigmoidNeuron(0.5, 0)
    grad_w, grad_b = neuron.gradient(POINTS, TARGETS)
    path = neuron.descend(POINTS, TARGETS, lr=0.1, steps=1)
    assert torch.equal(path.w[1], 0.5 - 0.1 * grad_w)
    assert torch.equal(path.b[1], -0.1 * grad_b)


def test_the_surface_is_the_loss_at_every_place():
    w, b = [-1.0, 0.5, 2.0], [-2.0, 0.3]
    surface = loss_surface(POINTS, TARGETS, w, b)
    assert surface.shape == (3, 2)
    for p in range(3):
        for q in range(2):
            expected = SigmoidNeuron(w[p], b[q]).loss(POINTS, TARGETS)
            torch.testing.assert_close(surface[p, q], expected)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([], [], "at least one each"),
        ([0.5, float("nan")], [0.2, 0.9], "NaN"),
        ([0.5, 2.5], [0.2], r"\(2,\), one per row of x \(2, 1\), got \(1,\)"),
        ([0.5, 2.5], [0.2, 1.9], r"every y in \[0, 1\], got 0.2 to 1.9"),
        ([0.5, 2.5], [0.2, float("nan")], "nan"),
        ([[0.5, 1.0], [2.5, 1.0]], [0.2, 0.9], r"\(examples, 1\), got \(2, 2\)"),
    ],
)
def test_a_neuron_refuses(x, y, message):
    neuron = SigmoidNeuron(0.5)
    for use in (neuron.loss, neuron.gradient, neuron.descend):
        with pytest.raises(ValueError, match=message):
            use(x, y)
    with pytest.raises(ValueError, match=message):
        loss_surface(x, y, [0.0], [0.0])
