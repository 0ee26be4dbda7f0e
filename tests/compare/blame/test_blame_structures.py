"""Which layer is named where layers are tied, nested, unrolled or only part of the code."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from compare import compare_gradients
from tests.compare.by_hand import (
    accused,
    by_hand,
    half,
    module,
    plain,
    straight_through,
    verdicts,
)
from tests.exhaustive import some


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


@pytest.mark.parametrize("right", some([False], [True, False]))
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
        Unrolled(Cell(5, 8)), Unrolled(nn.LSTMCell(5, 8)), torch.randn(2, 6, 5)
    )
    assert report.passed is right, str(report)
    assert list(accused(report)) == ([] if right else ["cell"])
    if not right:
        assert "input 2" not in accused(report)["cell"]  # the gradient to c is right


@pytest.mark.exhaustive
def test_one_wrong_function_deep_inside_a_resnet():
    resnet = pytest.importorskip("torchvision").models.resnet

    class Narrow(resnet.ResNet):
        """An eighth of the channels, and fewer blocks: as deep, in a tenth of the time."""

        def _make_layer(self, block, planes, *options, **named):
            return super()._make_layer(block, planes // 8, *options, **named)

    reference = Narrow(resnet.BasicBlock, [1, 1, 1, 1])
    reference.layer4, reference.fc = nn.Identity(), nn.Linear(256 // 8, 10)
    manual = copy.deepcopy(reference)
    manual.layer2[0].relu = module(straight_through)()
    report = compare_gradients(manual, reference, torch.randn(2, 3, 32, 32))
    assert accused(report) == {"layer2.0.relu": ["input"]}
    assert verdicts(report)["layer3.0.conv1"] == "correct"
    assert verdicts(report)["layer1.0.conv1"] == "inherited"


class OwnParameterAndDropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.rand(4))
        self.linear, self.dropout = nn.Linear(4, 3), nn.Dropout(0.3)

    def forward(self, x):
        return self.dropout(self.linear(x + self.shift))


def test_layers_inside_follow_the_mode_of_the_module_around_them():
    """Asked in evaluation mode, too, where nothing is dropped on either side."""
    model = OwnParameterAndDropout()
    report = compare_gradients(copy.deepcopy(model), model, torch.randn(5, 4))
    assert report.passed, report
