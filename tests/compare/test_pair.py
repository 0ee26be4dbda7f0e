import copy
import random

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compare import assert_gradients_match, compare_gradients
from compare.case import ComparisonError
from compare.cotangents import TENSORS
from tests.compare.planted import PLANTED, batch, changed, pair

DERIVED = ("rounded", "saturating", "odd batch", "one sample")


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", PLANTED)
def test_planted_fault_is_found_and_its_layer_named(name, dtype):
    layer, fault, culprit, first = PLANTED[name]
    manual, reference, loss, reference_loss = pair(layer, fault)
    x, y = batch()
    report = compare_gradients(
        manual.to(dtype), reference.to(dtype), x.to(dtype), loss=(loss, reference_loss), targets=y
    )
    assert not report.passed
    assert report.failures[0].name == first
    assert report.failures[0].source == culprit
    assert f"{culprit} is wrong by itself" in report.summary()
    [layer] = report.originators
    assert layer.label == culprit
    assert len(layer.faults) == 1


@pytest.mark.parametrize("name", [n for n, case in PLANTED.items() if case[0] != "loss"])
def test_planted_fault_is_found_without_a_loss(name):
    layer, fault, culprit, first = PLANTED[name]
    manual, reference, *_ = pair(layer, fault)
    report = compare_gradients(manual, reference, batch()[0])
    assert [report.failures[0].name, report.failures[0].source] == [first, culprit]


def test_message_lists_every_tensor_that_disagrees_and_no_other():
    layer, fault, *_ = PLANTED["weight: 1 % off"]
    manual, reference, loss, reference_loss = pair(layer, fault)
    manual.get_submodule("4").fault = changed(2, lambda r, *_: r + 1)
    x, y = batch()
    with pytest.raises(AssertionError) as caught:
        assert_gradients_match(manual, reference, x, loss=(loss, reference_loss), targets=y)
    first, *lines = str(caught.value).splitlines()
    assert "2 Linear is wrong by itself (weight: " in first
    assert "4 Linear is wrong by itself (bias: " in first
    assert [line.split(":")[0].strip() for line in lines] == [
        "2 Linear",
        "weight",
        "4 Linear",
        "bias",
        "4.bias",
        "2.weight",
    ]
    for line in lines[4:]:
        assert all(part in line for part in ("max abs", "ULP", "instead of"))


class TestFunctions:
    def test_plain_functions(self):
        report = assert_gradients_match(lambda x: x * x, torch.square, torch.randn(4, 3))
        assert [row.name for row in report.rows] == ["output", "input"]
        asked = [(rows[0].input, rows[0].cotangent) for rows in report.trials]
        assert asked == [
            *(("given", c) for c in TENSORS),
            *((kind, "random") for kind in DERIVED),
        ]

    def test_a_uniform_gradient_would_hide_this(self):
        class ZeroSoftmax(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x.softmax(1)

            @staticmethod
            def backward(ctx, g):
                return torch.zeros_like(g)

        report = compare_gradients(ZeroSoftmax.apply, lambda x: x.softmax(1), torch.randn(4, 3))
        assert [row.name for row in report.failures] == ["input"]

    def test_softmax_under_a_uniform_gradient_is_noise_and_no_fault(self):
        def other_softmax(x):
            e = x.exp()
            return e / e.sum(1, keepdim=True)

        from compare.cotangents import TENSORS

        fed = {"ones": lambda output, generator: torch.ones(output.shape).double(), **TENSORS}
        for seed in range(10):
            x = torch.randn(9, 5, generator=torch.Generator().manual_seed(seed))
            assert_gradients_match(
                other_softmax, lambda x: x.softmax(1), x, cotangents=fed, seed=seed
            )

    def test_backward_that_takes_the_memory_for_the_numbers(self):
        class AsStored(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return 2 * (g if g.is_contiguous() else g.mT.reshape(g.shape))

        report = compare_gradients(AsStored.apply, lambda x: x * 2, torch.randn(4, 3))
        assert report.failures[0].cotangent in ("expanded", "transposed")

    def test_absolute_tolerance_does_not_hide_a_tiny_gradient(self):
        class AddsTiny(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return 2 * g + 1e-12

        report = compare_gradients(AddsTiny.apply, lambda x: x * 2, torch.randn(4, 3))
        assert report.failures[0].cotangent == "tiny"

    def test_kink_at_exact_zeros(self):
        class OneAtZero(torch.autograd.Function):
            @staticmethod
            def forward(ctx, z):
                ctx.save_for_backward(z)
                return z.relu()

            @staticmethod
            def backward(ctx, g):
                return torch.where(ctx.saved_tensors[0] < 0, 0, g)

        z = torch.randn(6, 5)
        report = assert_gradients_match(OneAtZero.apply, torch.relu, z)
        assert report.verdict == "another subgradient"
        assert not compare_gradients(OneAtZero.apply, torch.relu, z, strict=True).passed

    def test_only_inputs_that_require_a_gradient_if_some_do(self):
        x, w = torch.randn(3, 2), torch.randn(2, 2, requires_grad=True)
        report = assert_gradients_match(torch.mm, torch.matmul, x, w)
        assert [(row.name, row.passed) for row in report.rows] == [
            ("output", True),
            ("input", True),
        ]
        assert x.requires_grad is False
        assert w.grad is None

    def test_several_outputs_and_inputs(self):
        def both(x, y):
            return {"sum": x + y, "parts": (x * y, [x - y])}

        report = assert_gradients_match(both, both, torch.randn(3), torch.randn(3))
        assert [row.name for row in report.rows] == [
            "output 0",
            "output 1",
            "output 2",
            "input 0",
            "input 1",
        ]


class TestModules:
    def test_weights_are_the_references(self):
        manual, reference, *_ = pair()
        for parameter in manual.parameters():
            nn.init.zeros_(parameter)
        before = copy.deepcopy(manual.state_dict())
        assert_gradients_match(manual, reference, batch()[0])
        assert all(torch.equal(before[name], p) for name, p in manual.state_dict().items())

    def test_nothing_is_left_behind(self):
        manual = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.ReLU())
        reference = copy.deepcopy(manual)
        reference[1].eval()
        manual[1].eval()
        manual[0].weight.grad = torch.ones(4, 4)
        states = [copy.deepcopy(model.state_dict()) for model in (manual, reference)]
        x = torch.randn(5, 4)
        untouched, version = x.clone(), x._version
        random_states = torch.get_rng_state(), random.getstate()
        assert_gradients_match(manual, reference, x)
        assert torch.equal(random_states[0], torch.get_rng_state())
        assert random_states[1] == random.getstate()
        assert torch.equal(x, untouched)
        assert x._version == version
        for model, state in zip((manual, reference), states, strict=True):
            assert all(torch.equal(state[name], t) for name, t in model.state_dict().items())
            assert [m.training for m in model] == [True, False, True, True]
            for module in model.modules():
                assert not module._forward_hooks
                assert not module._forward_pre_hooks
        assert torch.equal(manual[0].weight.grad, torch.ones(4, 4))
        assert reference[0].weight.grad is None

    def test_dropout_drops_the_same_on_both_sides(self):
        model = nn.Sequential(nn.Linear(4, 20), nn.Dropout(0.5), nn.Linear(20, 2))
        report = assert_gradients_match(copy.deepcopy(model), model, torch.randn(5, 4))
        assert all(row.exact for row in report.rows)

    def test_batch_norm_in_training_mode(self):
        model = nn.Sequential(nn.Linear(4, 20), nn.BatchNorm1d(20), nn.Linear(20, 2))
        assert_gradients_match(copy.deepcopy(model), model, torch.randn(5, 4))

    def test_layers_used_twice_shared_and_in_place(self):
        class Twice(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer, self.act = nn.Linear(4, 4), nn.ReLU(inplace=True)

            def forward(self, x):
                return self.layer(self.act(self.layer(x)))

        model = Twice()
        report = assert_gradients_match(copy.deepcopy(model), model, torch.randn(5, 4))
        assert [row.name for row in report.rows] == [
            "output",
            "layer.weight",
            "layer.bias",
            "act ReLU δ",
            "layer Linear δ",
            "input",
        ]

    def test_in_place_activation_does_not_move_the_delta_before_it(self):
        manual = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 2))
        reference = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
        assert_gradients_match(manual, reference, torch.randn(5, 4))

    def test_layer_that_only_one_side_has(self):
        class Fused(nn.Linear):
            def forward(self, x):
                return super().forward(x).relu()

        manual = nn.Sequential(Fused(4, 4), nn.Identity(), nn.Linear(4, 2))
        reference = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
        report = assert_gradients_match(manual, reference, torch.randn(3, 4))
        assert [row.name for row in report.rows] == [
            "output",
            "2.weight",
            "2.bias",
            "1 Identity δ",
            "0.weight",
            "0.bias",
            "input",
        ]

    def test_transformer_layer(self):
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        report = assert_gradients_match(copy.deepcopy(layer), layer, torch.randn(2, 5, 8))
        names = [row.name for row in report.rows]
        assert "self_attn.in_proj_weight" in names
        assert "linear1 Linear δ" in names

    def test_detached_layer_is_found(self):
        class Detached(nn.Linear):
            def forward(self, x):
                return super().forward(x.detach())

        _, reference, *_ = pair()
        manual = copy.deepcopy(reference)
        manual[2] = Detached(8, 8)
        report = compare_gradients(manual, reference, batch()[0])
        names = [row.name for row in report.failures]
        assert names[0] == "1 ReLU δ"
        assert report.failures[0].source == "2 Detached"
        assert {"0.weight", "0.bias", "0 Linear δ", "input"} <= set(names)


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
        with pytest.raises(ComparisonError, match="there is no loss"):
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
            "manual has no gradient here, reference has one",
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

    for seed in range(10):
        torch.manual_seed(seed)
        reference = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
        manual = nn.Sequential(Other(8, 8), nn.Tanh(), Other(8, 3))
        x, y = batch(seed)
        assert_gradients_match(manual, reference, x, loss=F.cross_entropy, targets=y)
        assert_gradients_match(manual, reference, x)
