import json

import pytest
import torch

from compare import gradients, training
from manual_backprop.activation.rectifiers import ReLUFunction
from manual_backprop.affine.linear import LinearFunction
from manual_backprop.loss.cross_entropy import CrossEntropyFunction
from torch_models import datasets

SMALL = ["--dataset", "digits", "--hidden", "12", "--batch-size", "32"]
HIDDEN = 12
COLUMNS = ["name", "kind", "exact", "max_abs", "max_rel", "max_ulp", "verdict"]


@pytest.fixture(scope="module", autouse=True)
def digits():
    """Loaded once for all the commands here."""
    images = datasets.load("digits")
    patch = pytest.MonkeyPatch()
    patch.setattr(datasets, "load", lambda *_: images)
    yield images
    patch.undo()


@pytest.fixture
def run(capsys, tmp_path):
    """Runs a command with ``--json``; gives exit code, JSON, stdout and stderr."""

    def call(command, *arguments):
        path = tmp_path / "outcome.json"
        code = command.main([*SMALL, "--json", str(path), *arguments])
        captured = capsys.readouterr()
        outcome = json.loads(path.read_text()) if path.exists() else None
        return code, outcome, captured.out, captured.err

    return call


class TestGradients:
    @pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
    def test_agree(self, run, dtype):
        code, outcome, out, err = run(gradients, "--dtype", dtype)
        assert (code, err) == (0, "")
        assert outcome["passed"] is True
        assert outcome["dtype"] == dtype
        assert [row["name"] for row in outcome["rows"]] == [
            "loss",
            "output",
            "2 Linear δ",
            "2.weight",
            "2.bias",
            "1 ReLU δ",
            "0 Linear δ",
            "0.weight",
            "0.bias",
            "input",
        ]
        for row in outcome["rows"]:
            assert list(row) == [
                "name",
                "kind",
                "exact",
                "max_abs",
                "max_rel",
                "max_ulp",
                "verdict",
            ]
            assert row["name"] in out
        assert f"passed: 10 tensors agree in {dtype} (seed 0)" in out

    def test_plain_text_in_a_pipe(self, run):
        _, _, out, _ = run(gradients, "--hidden", *["20"] * 9)
        assert "\x1b" not in out
        assert "…" not in out
        assert "manual against autograd: digits, 784-20-20-20-20-20-20-20-20-20-10 relu" in out

    @pytest.mark.parametrize("loss", ["nll", "bce", "mse", "squared-error", "bce-with-logits"])
    def test_other_losses_and_activations(self, run, loss):
        code, outcome, *_ = run(gradients, "--loss", loss, "--activation", "gelu")
        assert code == 0
        assert "1 GELU δ" in [row["name"] for row in outcome["rows"]]

    def test_batch_of_one_and_of_everything(self, run):
        for size in ("1", "100000"):
            assert run(gradients, "--batch-size", size)[0] == 0


class TestTraining:
    def test_same(self, run, digits):
        code, outcome, out, err = run(training, "--epochs", "2", "--dtype", "float64")
        assert (code, err) == (0, "")
        assert outcome["steps"] == 2 * -(-len(digits.train[0]) // 32)
        assert list(outcome)[:5] == ["passed", "steps", "bitwise", "first_difference", "max_abs"]
        assert outcome["passed"] is True
        assert f"passed: {outcome['steps']} steps" in out

    def test_float32_is_bit_for_bit_the_same(self, run):
        code, outcome, out, _ = run(training)
        assert code == 0
        assert outcome["bitwise"] is True
        assert outcome["first_difference"] is None
        assert outcome["max_abs"] == 0
        assert "every loss, gradient and weight bit-for-bit identical" in out

    def test_loss_that_becomes_nan(self, run):
        code, outcome, out, _ = run(training, "--lr", "1e30")
        assert code == 1
        assert outcome["passed"] is False
        assert "FAILED" in out
        assert "smaller learning rate" in out


def of_hidden_layer(change):
    """Changes the gradients of the Linear with ``HIDDEN`` outputs only."""

    def backward(ctx, grads, right):
        (g,) = grads
        return change(ctx, g, right(ctx, g)) if g.shape[-1] == HIDDEN else right(ctx, g)

    return backward


def everywhere(change):
    return lambda ctx, grads, right: change(ctx, grads[0], right(ctx, *grads))


PLANTED = {
    "ReLU, wrong sign": (ReLUFunction, everywhere(lambda ctx, g, r: -r), "1 ReLU"),
    "ReLU, no derivative": (ReLUFunction, everywhere(lambda ctx, g, r: g), "1 ReLU"),
    "loss, no mean over the batch": (
        CrossEntropyFunction,
        everywhere(lambda ctx, g, r: (r[0] * 32, *r[1:])),
        "loss CrossEntropyLoss",
    ),
    "hidden weight, 1 % off": (
        LinearFunction,
        of_hidden_layer(lambda ctx, g, r: (r[0], r[1] * 1.01, r[2])),
        "0 Linear",
    ),
    "hidden bias, one sample for the sum": (
        LinearFunction,
        of_hidden_layer(lambda ctx, g, r: (r[0], r[1], g[0])),
        "0 Linear",
    ),
    "hidden weight, another axis": (
        LinearFunction,
        of_hidden_layer(lambda ctx, g, r: (r[0], r[1].flip(1), r[2])),
        "0 Linear",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
class TestPlanted:
    @pytest.fixture(autouse=True)
    def plant(self, name, monkeypatch):
        function, wrong, _ = PLANTED[name]
        right = function.backward
        monkeypatch.setattr(
            function, "backward", staticmethod(lambda ctx, *grads: wrong(ctx, grads, right))
        )

    def test_gradients(self, name, run):
        code, outcome, out, _ = run(gradients)
        assert code == 1
        assert outcome["passed"] is False
        assert "bug" in {row["verdict"] for row in outcome["rows"]}
        assert f"FAILED in float32: {PLANTED[name][2]} is wrong" in out
        culprits = [x for x in outcome["layers"] if x["verdict"] == "wrong"]
        assert [layer["label"] for layer in culprits] == [PLANTED[name][2]]
        assert culprits[0]["faults"][0]["diagnosis"]

    def test_training(self, name, run):
        code, outcome, out, _ = run(training)
        assert code == 1
        assert outcome["passed"] is False
        assert outcome["first_difference"]["step"] == 1
        assert "FAILED" in out
        assert f"computed by the backward of {PLANTED[name][2]}" in out


def test_backward_of_a_wrong_shape(run, monkeypatch):
    right = LinearFunction.backward
    wrong = of_hidden_layer(lambda ctx, g, r: (r[0], r[1].T, r[2]))
    monkeypatch.setattr(
        LinearFunction, "backward", staticmethod(lambda ctx, *grads: wrong(ctx, grads, right))
    )
    code, outcome, out, _ = run(gradients)
    assert code == 1
    assert "0 Linear is wrong" in out
    assert outcome["layers"][0]["faults"][0]["gradient"] == "weight"
    code, _, _, err = run(training)
    assert code == 1
    assert len(err.splitlines()) == 1
    assert "LinearFunction" in err
    assert "invalid gradient" in err


def test_names_of_the_package():
    import compare

    assert "assert_gradients_match" in dir(compare)
    for name in compare.__all__:
        assert getattr(compare, name)
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        compare.missing  # noqa: B018


def test_random_state_of_the_caller_is_left_alone(run):
    state = torch.get_rng_state()
    run(gradients)
    run(training)
    assert torch.equal(state, torch.get_rng_state())
