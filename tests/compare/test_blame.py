"""Which layer is named: every kind of model in which a fault can hide."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compare import compare_gradients
from tests.compare.planted import PLANTED, batch, changed, pair


def by_hand(forward, backward):
    """A Function of the two: ``backward(g, *inputs)`` gives one gradient for each input."""

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return backward(g, *ctx.saved_tensors)

    return ByHand.apply


def module(function):
    """The function as a class of modules without parameters."""

    class Function(nn.Module):
        def forward(self, x):
            return function(x)

    return Function


straight_through = by_hand(torch.relu, lambda g, z: g)
half = by_hand(torch.clone, lambda g, x: g / 2)
linear_relu = by_hand(
    lambda x, w, b: F.linear(x, w, b).relu(),
    lambda g, x, w, b: _linear_backward(g * (F.linear(x, w, b) > 0), x, w),
)
linear_relu_without_derivative = by_hand(
    lambda x, w, b: F.linear(x, w, b).relu(), lambda g, x, w, b: _linear_backward(g, x, w)
)


def _linear_backward(delta, x, w):
    return delta @ w, delta.T @ x, delta.sum(0)


class FusedLinear(nn.Linear):
    function = staticmethod(linear_relu)

    def forward(self, x):
        return self.function(x, self.weight, self.bias)


class WrongFusedLinear(FusedLinear):
    function = staticmethod(linear_relu_without_derivative)


def accused(report):
    """Of each layer at fault its name and the gradients that it computes wrongly."""
    return {layer.name: [f.gradient for f in layer.faults] for layer in report.originators}


def verdicts(report):
    return {layer.name: layer.verdict for layer in report.layers}


def plain(*sizes):
    steps = []
    for n_in, n_out in pairwise(sizes):
        steps += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*steps[:-1])


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_fault(name):
    layer, fault, *_ = PLANTED[name]
    manual, reference, loss, reference_loss = pair(layer, fault)
    x, y = batch()
    report = compare_gradients(manual, reference, x, loss=(loss, reference_loss), targets=y)
    assert list(accused(report)) == [layer]
    gradient = name.split(":")[0]
    expected = {"weight": "weight", "bias": "bias"}.get(gradient, "input")
    assert accused(report)[layer] == [expected]


def test_the_layers_before_a_fault_inherit_and_those_after_it_are_clean():
    manual, reference, *_ = pair("3", changed(0, lambda r, *_: -r))
    assert verdicts(compare_gradients(manual, reference, batch()[0])) == {
        "0": "inherited",
        "1": "inherited",
        "2": "inherited",
        "3": "originates here",
        "4": "clean",
    }


def test_a_wrong_weight_gradient_harms_nobody_else():
    manual, reference, *_ = pair("2", changed(1, lambda r, *_: -r))
    found = verdicts(compare_gradients(manual, reference, batch()[0]))
    assert [name for name, verdict in found.items() if verdict != "clean"] == ["2"]


def test_several_independent_faults():
    manual, reference, *_ = pair("0", changed(2, lambda r, *_: 2 * r))
    manual.get_submodule("1").fault = changed(0, lambda r, *_: r * 3)
    manual.get_submodule("4").fault = changed(1, lambda r, *_: -r)
    report = compare_gradients(manual, reference, batch()[0])
    assert accused(report) == {"0": ["bias"], "1": ["input"], "4": ["weight"]}


def test_forward_fault_is_told_from_a_backward_fault():
    class WithoutBias(nn.Linear):
        def forward(self, x):
            return F.linear(x, self.weight)

    reference = plain(5, 7, 6, 3)
    manual = copy.deepcopy(reference)
    manual[2] = WithoutBias(7, 6)
    manual[1] = module(straight_through)()
    report = compare_gradients(manual, reference, torch.randn(9, 5))
    assert accused(report) == {"1": ["input"], "2": ["output"]}
    assert verdicts(report)["4"] == "inherited"


def test_module_used_twice():
    class Twice(nn.Module):
        def __init__(self, act):
            super().__init__()
            self.layer, self.act = nn.Linear(4, 4), act

        def forward(self, x):
            return self.layer(self.act(self.layer(x)))

    right = compare_gradients(Twice(nn.ReLU()), Twice(nn.ReLU()), torch.randn(5, 4))
    assert right.passed
    wrong = compare_gradients(
        Twice(module(straight_through)()), Twice(nn.ReLU()), torch.randn(5, 4)
    )
    assert accused(wrong) == {"act": ["input"]}


def with_the_activation(build, *inputs, **options):
    """``build(activation)`` with a wrong one, against the same with ReLU."""
    manual, reference = build(module(half_relu)()), build(nn.ReLU())
    return compare_gradients(manual, reference, *inputs, **options)


half_relu = by_hand(torch.relu, lambda g, z: g * (z > 0) / 2)


class TestWhatModelsAreLike:
    """The activation named act is wrong, and nothing else may be accused."""

    def test_tied_weights(self):
        class Tied(nn.Module):
            def __init__(self, act):
                super().__init__()
                self.first, self.act, self.second = nn.Linear(6, 6), act, nn.Linear(6, 6)
                self.second.weight = self.first.weight

            def forward(self, x):
                return self.second(self.act(self.first(x)))

        assert accused(with_the_activation(Tied, torch.randn(5, 6))) == {"act": ["input"]}

    def test_parameters_of_its_own_beside_layers(self):
        class Scaled(nn.Module):
            def __init__(self, act):
                super().__init__()
                self.linear, self.act = nn.Linear(4, 4), act
                self.scale = nn.Parameter(torch.ones(4))

            def forward(self, x):
                return self.act(self.linear(x)) * self.scale

        assert accused(with_the_activation(Scaled, torch.randn(5, 4))) == {"act": ["input"]}

    def test_recurrent_with_two_outputs(self):
        class Recurrent(nn.Module):
            def __init__(self, act):
                super().__init__()
                self.gru, self.act = nn.GRU(4, 5, 2, batch_first=True), act

            def forward(self, x):
                y, h = self.gru(x)
                return self.act(y), h

        assert accused(with_the_activation(Recurrent, torch.randn(3, 6, 4))) == {"act": ["input"]}

    def test_dictionaries_and_integers(self):
        class Words(nn.Module):
            def __init__(self, act):
                super().__init__()
                self.words, self.act, self.out = nn.Embedding(9, 4), act, nn.Linear(4, 3)

            def forward(self, given):
                return {"out": self.out(self.act(self.words(given["ids"])).mean(1))}

        given = {"ids": torch.arange(20).reshape(5, 4) % 9}
        assert accused(with_the_activation(Words, given)) == {"act": ["input"]}

    def test_called_otherwise(self):
        class WithAFlag(nn.Module):
            def forward(self, x, flag):
                return half_relu(x)

        class Net(nn.Module):
            def __init__(self, act):
                super().__init__()
                self.linear, self.act = nn.Linear(4, 4), act

            def forward(self, x):
                z = self.linear(x)
                return self.act(z, True) if isinstance(self.act, WithAFlag) else self.act(z)

        report = compare_gradients(Net(WithAFlag()), Net(nn.ReLU()), torch.randn(5, 4))
        assert accused(report) == {"act": ["input"]}

    def test_hook_that_changes_the_gradient(self):
        manual, reference = plain(4, 5, 3), plain(4, 5, 3)
        manual[1].register_full_backward_hook(lambda layer, given, incoming: (2 * given[0],))
        report = compare_gradients(manual, reference, torch.randn(5, 4))
        assert accused(report) == {"1": ["input"]}

    def test_attention_whose_keys_have_a_bias_without_gradient(self):
        def attend(g, q, k, v):
            p = (q @ k.mT / 8**0.5).softmax(-1)
            of_p = g @ v.mT
            of_scores = p * (of_p - (of_p * p).sum(-1, keepdim=True)) / 8**0.5
            return of_scores @ k, of_scores.mT @ q, p.mT @ g

        by_hand_attention = by_hand(F.scaled_dot_product_attention, attend)

        class Attention(nn.Module):
            def __init__(self, attend):
                super().__init__()
                self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
                self.attend = attend

            def forward(self, x):
                return self.attend(self.q(x), self.k(x), self.v(x))

        report = compare_gradients(
            Attention(by_hand_attention),
            Attention(F.scaled_dot_product_attention),
            torch.randn(5, 6, 8),
        )
        assert report.passed, str(report)


class Block(nn.Module):
    """Residual, with activations and the sum outside its layers."""

    def __init__(self, skip=lambda x: x):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.skip = skip

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(h)) + self.skip(x))


def test_code_between_the_layers_of_a_residual_block():
    reference = nn.Sequential(Block(), Block(), nn.Flatten(), nn.Linear(256, 3))
    manual = copy.deepcopy(reference)
    manual[1].skip = half
    report = compare_gradients(manual, reference, torch.randn(3, 4, 8, 8))
    assert accused(report) == {"1": ["input"]}
    assert report.originators[0].label == "1 Block, outside its layers"
    assert verdicts(report)["0.conv1"] == "inherited"


def test_layer_and_code_around_it_both_wrong():
    reference = nn.Sequential(Block(), Block())
    manual = copy.deepcopy(reference)
    manual[1].skip = half

    class NegatedNorm(nn.BatchNorm2d):
        def forward(self, x):
            return by_hand(torch.clone, lambda g, x: -g)(super().forward(x))

    manual[0].bn2.__class__ = NegatedNorm
    report = compare_gradients(manual, reference, torch.randn(3, 4, 8, 8))
    assert set(accused(report)) == {"0.bn2", "1"}


def test_wrong_line_in_a_copy_of_the_transformer_layer():
    class OneWrongLine(nn.TransformerEncoderLayer):
        def _ff_block(self, x):
            return self.dropout2(self.linear2(self.dropout(straight_through(self.linear1(x)))))

    sizes = {"d_model": 16, "nhead": 4, "dim_feedforward": 32, "batch_first": True}
    reference = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(**sizes), 2, enable_nested_tensor=False
    )
    manual = copy.deepcopy(reference)
    manual.layers[1].__class__ = OneWrongLine
    report = compare_gradients(manual, reference, torch.randn(3, 5, 16))
    assert list(accused(report)) == ["layers.1"]


class Unrolled(nn.Module):
    """An LSTM over time, its cell called once for each step."""

    def __init__(self, cell):
        super().__init__()
        self.cell, self.out = cell, nn.Linear(8, 3)

    def forward(self, x):
        h = c = x.new_zeros(x.shape[1], 8)
        for step in x:
            h, c = self.cell(step, (h, c))
        return self.out(h)


@pytest.mark.parametrize("right", [True, False])
def test_lstm_cell_by_hand(right):
    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, h, c, w_x, w_h, b_x, b_h):
            i, f, g, o = (x @ w_x.T + h @ w_h.T + b_x + b_h).chunk(4, 1)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            c_next = f * c + i * g
            ctx.save_for_backward(x, h, c, w_x, w_h, i, f, g, o, c_next)
            return o * c_next.tanh(), c_next

        @staticmethod
        def backward(ctx, grad_h, grad_c):
            x, h, c, w_x, w_h, i, f, g, o, c_next = ctx.saved_tensors
            t = c_next.tanh()
            grad_c = grad_c + grad_h * o * (1 - t * t)
            of_o = grad_h * t * o * ((1 - o) if right else 1)
            parts = [grad_c * g * i * (1 - i), grad_c * c * f * (1 - f), grad_c * i * (1 - g * g)]
            delta = torch.cat([*parts, of_o], 1)
            bias = delta.sum(0)
            return delta @ w_x, delta @ w_h, grad_c * f, delta.T @ x, delta.T @ h, bias, bias

    class Cell(nn.LSTMCell):
        def forward(self, x, state):
            weights = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
            return Function.apply(x, *state, *weights)

    report = compare_gradients(
        Unrolled(Cell(5, 8)), Unrolled(nn.LSTMCell(5, 8)), torch.randn(4, 6, 5)
    )
    assert report.passed is right, str(report)
    assert list(accused(report)) == ([] if right else ["cell"])
    if not right:
        assert "input 2" not in accused(report)["cell"]  # the gradient to c is right


class TestLayersThatOnlyOneSideHas:
    @pytest.mark.parametrize(
        ("second", "expected"),
        [(FusedLinear, {}), (WrongFusedLinear, {"1": ["weight", "bias", "input"]})],
    )
    def test_fused_in_manual(self, second, expected):
        manual = nn.Sequential(FusedLinear(5, 7), second(7, 6), nn.Linear(6, 3))
        report = compare_gradients(manual, plain(5, 7, 6, 3), torch.randn(9, 5))
        assert report.passed is not bool(expected)
        assert accused(report) == expected
        assert [layer.twin for layer in report.layers] == ["0, 1", "2, 3", "4"]

    @pytest.mark.parametrize(("second", "expected"), [(nn.ReLU, {}), (None, {"1": ["input"]})])
    def test_fused_in_the_reference(self, second, expected):
        manual = plain(5, 7, 6, 3)
        if second is None:
            manual[1] = module(straight_through)()
        reference = nn.Sequential(
            FusedLinear(5, 7), nn.Identity(), FusedLinear(7, 6), nn.Identity(), nn.Linear(6, 3)
        )
        report = compare_gradients(manual, reference, torch.randn(9, 5))
        assert accused(report) == expected
        assert report.passed is not bool(expected)

    def test_fused_with_a_function_that_the_reference_calls_between_its_layers(self):
        class Reference(nn.Module):
            def __init__(self):
                super().__init__()
                self.first, self.second = nn.Linear(5, 7), nn.Linear(7, 3)

            def forward(self, x):
                return self.second(self.first(x).relu())

        for fused, expected in ((FusedLinear, []), (WrongFusedLinear, ["0"])):
            manual = nn.Sequential(fused(5, 7), nn.Linear(7, 3))
            report = compare_gradients(manual, Reference(), torch.randn(9, 5))
            assert list(accused(report)) == expected


class TestPairing:
    def test_by_order(self):
        class Named(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc1, self.act, self.fc2 = nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)

            def forward(self, x):
                return self.fc2(self.act(self.fc1(x)))

        report = compare_gradients(Named(), plain(5, 7, 3), torch.randn(4, 5))
        assert report.passed
        assert {layer.name: layer.twin for layer in report.layers} == {
            "fc1": "0",
            "act": "1",
            "fc2": "2",
        }
        manual = Named()
        manual.act = module(straight_through)()
        assert accused(compare_gradients(manual, plain(5, 7, 3), torch.randn(4, 5))) == {
            "act": ["input"]
        }

    def test_by_a_mapping(self):
        class Swapped(nn.Module):
            def __init__(self):
                super().__init__()
                self.second, self.first = nn.Linear(5, 5), nn.Linear(5, 5)

            def forward(self, x):
                return self.second(self.first(x).relu())

        mapping = {"first": "0", "second": "2"}
        assert compare_gradients(
            Swapped(), plain(5, 5, 5), torch.randn(4, 5), mapping=mapping
        ).passed
        assert not compare_gradients(Swapped(), plain(5, 5, 5), torch.randn(4, 5)).passed

    def test_mapping_to_nothing(self):
        with pytest.raises(ValueError, match="mapping names 7, and the reference has no submodule"):
            compare_gradients(plain(5, 5), plain(5, 5), torch.randn(4, 5), mapping={"0": "7"})


class TestKinks:
    at_zero = staticmethod(by_hand(torch.relu, lambda g, z: torch.where(z < 0, 0, g)))

    def test_another_subgradient_is_no_fault(self):
        manual = nn.Sequential(nn.Linear(3, 4), module(self.at_zero)())
        reference = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        report = compare_gradients(manual, reference, torch.randn(5, 3))
        assert report.passed
        assert report.verdict == "another subgradient"
        strict = compare_gradients(manual, reference, torch.randn(5, 3), strict=True)
        assert accused(strict) == {"1": ["input"]}
        assert strict.originators[0].faults[0].input == "rounded"

    def test_ties_of_a_maximum(self):
        def last_of_the_largest(g, x):
            index = x.shape[1] - 1 - x.flip(1).argmax(1, keepdim=True)
            return torch.zeros_like(x).scatter(1, index, g)

        largest = by_hand(lambda x: x.max(1, keepdim=True).values, last_of_the_largest)
        reference = lambda x: x.max(1, keepdim=True).values  # noqa: E731
        assert compare_gradients(largest, reference, torch.randn(6, 5)).passed
        assert not compare_gradients(largest, reference, torch.randn(6, 5), strict=True).passed

    def test_no_subgradient(self):
        twice = by_hand(
            torch.relu, lambda g, z: torch.where(z < 0, 0, torch.where(z > 0, g, 5 * g))
        )
        report = compare_gradients(twice, torch.relu, torch.randn(6, 5))
        assert report.originators[0].faults[0].input == "rounded"


def test_gradient_left_over_from_the_last_backward():
    class Stale(torch.autograd.Function):
        last = None

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.tanh()

        @staticmethod
        def backward(ctx, g):
            right = g * (1 - ctx.saved_tensors[0].tanh() ** 2)
            last, Stale.last = Stale.last, right
            return right if last is None or last.shape != right.shape else last

    manual = nn.Sequential(nn.Linear(3, 4), module(Stale.apply)())
    reference = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    assert list(accused(compare_gradients(manual, reference, torch.randn(5, 3)))) == ["1"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_that_the_layers_make_larger_is_no_fault(dtype):
    class Recomputed(nn.Linear):
        """Rounds otherwise: the product in halves."""

        def forward(self, x):
            left, right = x.split(x.shape[1] // 2, 1)
            w_left, w_right = self.weight.split(x.shape[1] // 2, 1)
            return left @ w_left.T + right @ w_right.T + self.bias

    for seed in range(3):
        torch.manual_seed(seed)
        reference = plain(32, 32, 32, 32, 32, 10).to(dtype)
        manual = copy.deepcopy(reference)
        for layer in manual:
            if isinstance(layer, nn.Linear):
                layer.__class__ = Recomputed
        report = compare_gradients(manual, reference, torch.randn(64, 32).to(dtype))
        assert not report.failures, str(report)


def test_layer_that_raises_is_named():
    def out_of_range(g, x):
        raise IndexError("out of range")

    reference = plain(3, 4, 2)
    manual = copy.deepcopy(reference)
    manual[1] = module(by_hand(torch.relu, out_of_range))()
    report = compare_gradients(manual, reference, torch.randn(5, 3))
    assert list(accused(report)) == ["1"]
    assert "IndexError: out of range" in str(report)


def test_gradient_of_an_impossible_shape_is_seen():
    transposed = by_hand(F.linear, lambda g, x, w, b: (g @ w, x.T @ g, g.sum(0)))

    class Transposed(nn.Linear):
        def forward(self, x):
            return transposed(x, self.weight, self.bias)

    reference = plain(3, 4, 2)
    manual = copy.deepcopy(reference)
    manual[0].__class__ = Transposed
    report = compare_gradients(manual, reference, torch.randn(5, 3))
    assert accused(report) == {"0": ["weight"]}


def test_one_wrong_function_deep_inside_a_resnet():
    torchvision = pytest.importorskip("torchvision")
    reference = torchvision.models.resnet18()
    manual = copy.deepcopy(reference)
    manual.layer3[1].relu = module(straight_through)()
    report = compare_gradients(manual, reference, torch.randn(2, 3, 32, 32))
    assert accused(report) == {"layer3.1.relu": ["input"]}
    assert verdicts(report)["layer4.0.conv1"] == "clean"
    assert verdicts(report)["layer3.0.conv1"] == "inherited"
