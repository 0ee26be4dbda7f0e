import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compare import assert_gradients_match, compare_gradients
from compare.trial.errors import ComparisonError
from tests.compare.planted import PLANTED, batch, changed, pair
from tests.exhaustive import first_of_each


def test_right_backwards_pass():
    manual, reference, loss, reference_loss = pair("loss")
    x, y = batch()
    report = assert_gradients_match(manual, reference, x, loss=(loss, reference_loss), targets=y)
    assert [row.name for row in report.rows] == [
        "loss",
        "output",
        "4 Linear δ",
        "4.weight",
        "4.bias",
        "3 ReLU δ",
        "2 Linear δ",
        "2.weight",
        "2.bias",
        "1 ReLU δ",
        "0 Linear δ",
        "0.weight",
        "0.bias",
        "input",
    ]
    assert {row.kind for row in report.rows} == {"output", "delta", "parameter", "input"}


@pytest.mark.parametrize("name", first_of_each(lambda name: name.partition(":")[0], list(PLANTED)))
def test_planted_fault_is_found_and_its_layer_named(name):
    place, fault, culprit, first = PLANTED[name]
    manual, reference, loss, reference_loss = pair(place, fault)
    x, y = batch()
    report = compare_gradients(manual, reference, x, loss=(loss, reference_loss), targets=y)
    assert not report.passed
    assert report.failures[0].name == first
    assert report.failures[0].source == culprit
    assert f"{culprit} is wrong" in report.summary()
    [layer] = report.originators
    assert (layer.name, layer.label) == (place, culprit)
    [fault] = layer.faults
    what = name.split(":")[0]
    assert fault.gradient == (what if what in ("weight", "bias") else "input")


IN_LAYERS = {name: layer for name, (layer, *_) in PLANTED.items() if layer != "loss"}


@pytest.mark.parametrize("name", first_of_each(IN_LAYERS.get, list(IN_LAYERS)))
def test_planted_fault_is_found_without_a_loss_in_float64(name):
    layer, fault, culprit, first = PLANTED[name]
    manual, reference, *_ = pair(layer, fault)
    report = compare_gradients(manual.double(), reference.double(), batch()[0].double())
    assert [report.failures[0].name, report.failures[0].source] == [first, culprit]


def test_message_lists_every_tensor_that_disagrees_and_no_other():
    layer, fault, *_ = PLANTED["weight: 1 % off"]
    manual, reference, loss, reference_loss = pair(layer, fault)
    manual.get_submodule("4").fault = changed(2, lambda r, *_: r + 1)
    x, y = batch()
    with pytest.raises(AssertionError) as caught:
        assert_gradients_match(manual, reference, x, loss=(loss, reference_loss), targets=y)
    first, *lines = str(caught.value).splitlines()
    assert "2 Linear is wrong (weight: " in first
    assert "4 Linear is wrong (bias: " in first
    source = "tests/compare/planted.py"
    assert [line.split(":")[0].strip() for line in lines] == [
        "2 Linear",
        "weight",
        source,
        "4 Linear",
        "bias",
        source,
        "4.bias",
        "2.weight",
    ]
    for line in lines[6:]:
        assert all(part in line for part in ("max abs", "ULP", "instead of"))


class TestCannotVouch:
    def test_nothing_requires_a_gradient(self):
        frozen = nn.Linear(3, 2).requires_grad_(False)
        report = compare_gradients(copy.deepcopy(frozen), frozen, torch.ones(2, 3).long().float())
        assert report.passed  # the input gets one
        embedding = nn.Embedding(5, 3).requires_grad_(False)
        report = compare_gradients(embedding, copy.deepcopy(embedding), torch.tensor([1, 2]))
        assert not report.passed
        assert "nothing was compared" in str(report)

    def test_gradients_that_are_all_zero_prove_nothing(self):
        dead = nn.Sequential(nn.ReLU())
        with pytest.raises(AssertionError, match="nothing was compared"):
            assert_gradients_match(copy.deepcopy(dead), dead, -torch.ones(3, 2))

    def test_nothing_compared_on_empty_input(self):
        assert not compare_gradients(torch.tanh, torch.tanh, torch.ones(0, 3)).passed

    def test_reference_without_tensor(self):
        with pytest.raises(ComparisonError, match="no floating-point tensor"):
            compare_gradients(lambda x: 3, lambda x: 3, torch.ones(2))

    def test_targets_without_a_loss(self):
        with pytest.raises(ComparisonError, match="no loss was given"):
            compare_gradients(torch.tanh, torch.tanh, torch.ones(2), targets=torch.ones(2))

    def test_reference_that_gives_nan(self):
        report = compare_gradients(torch.log, torch.log, -torch.ones(2, 2))
        assert {row.verdict for row in report.rows} == {"reference is NaN", "exact"}
        assert not report.passed

    def test_reference_that_leaves_float64(self):
        def in_float32(x):
            return x.float().tanh()

        with pytest.raises(ComparisonError, match="float64"):
            compare_gradients(torch.tanh, in_float32, torch.randn(3))

    def test_reference_that_cannot_run_in_float64(self):
        weight = torch.randn(3, 3)
        with pytest.raises(ComparisonError, match="does not run in float64"):
            compare_gradients(torch.tanh, lambda x: x @ weight, torch.randn(3, 3))

    def test_reference_with_other_randomness_in_float64(self):
        def noisy(x):
            return x * torch.rand(x.shape, dtype=x.dtype)

        with pytest.raises(ComparisonError, match="random numbers"):
            compare_gradients(noisy, noisy, torch.randn(50, 3))

    @pytest.mark.parametrize(
        ("manual", "message"),
        [
            (nn.Linear(3, 3), "manual lacks 0.bias, 0.weight"),
            (lambda x: x, "manual lacks 0.bias, 0.weight"),
            (nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)), "the reference lacks 1.bias, 1.w"),
            (nn.Sequential(nn.Linear(3, 3)), r"0.weight is \(3, 3\) in manual and \(2, 3\)"),
        ],
    )
    def test_modules_that_do_not_pair(self, manual, message):
        reference = nn.Sequential(nn.Linear(3, 2))
        with pytest.raises(ComparisonError, match=f"the two do not pair: {message}"):
            compare_gradients(manual, reference, torch.ones(2, 3))


class TestManualAtFault:
    def test_other_shape(self):
        report = compare_gradients(lambda x: x.tanh().T, torch.tanh, torch.randn(3, 2))
        assert [row.reason for row in report.failures] == [
            "shape (2, 3), reference (3, 2)",
            "manual has no gradient here, the reference has one",
        ]

    def test_other_number_of_outputs(self):
        report = compare_gradients(lambda x: (x, x), lambda x: x.clone(), torch.randn(3))
        assert not report.passed

    def test_other_dtype(self):
        report = compare_gradients(lambda x: x.double().tanh(), torch.tanh, torch.randn(3))
        assert report.failures[0].reason == "torch.float64, reference torch.float32"

    def test_nan_where_the_reference_has_a_number(self):
        def nan_backward(x):
            return torch.where(x > 0, x, 0) + 0 * torch.where(x > 0, 0, x).sqrt()

        report = compare_gradients(nan_backward, torch.relu, torch.randn(5, 4))
        assert not report.passed

    def test_backward_that_raises(self):
        class Raises(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                raise IndexError("out of range")

        with pytest.raises(AssertionError, match="raised IndexError: out of range"):
            assert_gradients_match(Raises.apply, lambda x: x * 2, torch.randn(3))

    def test_backward_that_writes_into_what_it_is_given(self):
        class Writes(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return g.mul_(2)

        with pytest.raises(AssertionError):  # an expanded gradient cannot be written into
            assert_gradients_match(Writes.apply, lambda x: x * 2, torch.randn(3, 2))


def test_float16_and_bfloat16():
    for dtype in (torch.float16, torch.bfloat16):
        manual, reference, *_ = pair()
        x, _ = batch()
        assert_gradients_match(manual.to(dtype), reference.to(dtype), x.to(dtype))
        layer, fault, *_ = PLANTED["ReLU: wrong sign"]
        manual, *_ = pair(layer, fault)
        assert not compare_gradients(manual.to(dtype), reference, x.to(dtype)).passed


def test_right_but_differently_written_is_not_accused():
    class Other(nn.Linear):
        """Sums in another order, and one by one."""

        def forward(self, x):
            halves = self.weight.split(3, 1)
            parts = [a @ w.T for a, w in zip(x.split(3, 1), halves, strict=True)]
            return sum(parts) + self.bias

    for seed in range(4):
        torch.manual_seed(seed)
        reference = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
        manual = nn.Sequential(Other(8, 8), nn.Tanh(), Other(8, 3))
        x, y = batch(seed)
        assert_gradients_match(manual, reference, x, loss=F.cross_entropy, targets=y)
        assert_gradients_match(manual, reference, x)
