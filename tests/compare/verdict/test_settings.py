"""What is wrong only in a setting that was not given: a size, a mode, an index, a layout."""

import pytest
import torch
from torch import nn

from compare import compare_gradients
from tests.compare.by_hand import by_hand, only_fault


def refusing(x):
    if x.shape[0] != 6:
        raise ValueError("six rows, please")
    return x.tanh()


def test_a_size_that_the_forward_refuses_is_no_fault():
    manual = by_hand(refusing, lambda g, x: g * (1 - x.tanh() ** 2))
    report = compare_gradients(manual, torch.tanh, torch.randn(6, 5))
    assert report.passed
    left_out = {a.kind: a.left_out for a in report.inputs if a.left_out}
    assert left_out["one sample"] == "manual rejects it: ValueError: six rows, please"


def test_a_size_that_the_backward_refuses_is_one():
    manual = by_hand(torch.tanh, lambda g, x: g * (1 - refusing(x) ** 2))
    fault = only_fault(manual, torch.tanh, torch.randn(6, 5))
    assert fault.input == "odd batch"
    assert "it raised ValueError" in fault.diagnosis.sentence


def test_no_multiple_of_a_block():
    def backward(g, x):
        a = x.softmax(-1)
        n = a.shape[-1] // 4 * 4  # the rest is forgotten
        return a * (g - (g * a)[..., :n].sum(-1, keepdim=True))

    manual = by_hand(lambda x: x.softmax(-1), backward)
    fault = only_fault(manual, lambda x: x.softmax(-1), torch.randn(6, 8))
    assert fault.input.startswith("size 8 as")


@pytest.mark.parametrize("seed", range(3))
def test_positions_in_eight_bits(seed):
    """What is largest lies beyond 127, too, where such a number is negative."""

    def backward(g, x):
        place = x.argmax(1, keepdim=True).to(torch.int8).long() % x.shape[1]
        return torch.zeros_like(x).scatter(1, place, g[:, None])

    torch.manual_seed(seed)
    manual = by_hand(lambda x: x.amax(1), backward)
    assert only_fault(manual, lambda x: x.amax(1), torch.randn(7, 6)).input == "size 6 as 131"


def test_beyond_a_threshold():
    def backward(g, x):
        found = g.cumsum(1).flip(1).flip(1)
        found = g.flip(1).cumsum(1).flip(1)
        return found if x.shape[1] <= 64 else found * (torch.arange(x.shape[1]) < 64)

    manual = by_hand(lambda x: x.cumsum(1), backward)
    fault = only_fault(manual, lambda x: x.cumsum(1), torch.randn(4, 12))
    assert fault.input == "size 12 as 131"


def test_a_size_that_manual_refuses_is_no_fault():
    def pairs(g, x):
        return g.reshape(*x.shape[:1], x.shape[1] // 2, 2).flatten(1)

    manual = by_hand(torch.clone, pairs)
    assert compare_gradients(manual, torch.clone, torch.randn(4, 6)).passed


def test_indices_that_were_not_used():
    class Words(nn.Embedding):
        def forward(self, words):
            def backward(g, words, w):
                rows = (words % 64).flatten()
                return None, torch.zeros_like(w).index_add(0, rows, g.flatten(0, -2))

            return by_hand(nn.functional.embedding, backward)(words, self.weight)

    words = torch.randint(20, (4, 5))
    assert only_fault(Words(100, 3), nn.Embedding(100, 3), words).input == "other indices"


def test_inputs_that_need_no_gradient():
    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x @ w.T

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            if ctx.needs_input_grad[0]:
                return g @ w, g.T @ x
            return None, g.T @ x / 2

    class Linear(nn.Linear):
        def forward(self, x):
            return Function.apply(x, self.weight)

    manual, reference = Linear(5, 4, bias=False), nn.Linear(5, 4, bias=False)
    fault = only_fault(manual, reference, torch.randn(6, 5))
    assert fault.input == "inputs without gradient"
    assert "1/2 of what it should be" in fault.diagnosis.sentence


@pytest.mark.parametrize("training", [True, False])
def test_the_other_mode(training):
    class Doubled(nn.Module):
        def __init__(self, wrong):
            super().__init__()
            self.wrong = wrong

        def forward(self, x):
            by_mode = self.wrong and self.training is not training
            return by_hand(lambda x: 2 * x, lambda g, x: g)(x) if by_mode else 2 * x

    fault = only_fault(
        Doubled(True).train(training), Doubled(False).train(training), torch.randn(6, 5)
    )
    assert fault.input == ("evaluation mode" if training else "training mode")


def test_rows_cut_out_of_longer_ones_and_strides_in_general():
    def backward(g, x):
        behind = g.untyped_storage().nbytes() // g.element_size() - g.storage_offset()
        if behind >= g.numel():
            g = g.as_strided((g.numel(),), (1,), g.storage_offset()).reshape(g.shape)
        return 2 * g

    fault = only_fault(by_hand(lambda x: 2 * x, backward), lambda x: 2 * x, torch.randn(6, 5))
    assert str(fault.diagnosis.mistake) == "read as contiguous"

    def rows_alone(g, x):  # right for what is transposed, wrong for a slice
        return 2 * (g if g.stride(0) in (0, 1, g.shape[1]) else g.flip(0))

    fault = only_fault(by_hand(lambda x: 2 * x, rows_alone), lambda x: 2 * x, torch.randn(6, 5))
    assert fault.cotangent == "sliced"


def test_two_dead_models():
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(5, 4), nn.Linear(5, 4)

        def forward(self, x):
            return self.used(x)

    report = compare_gradients(Unused(), Unused(), torch.randn(6, 5))
    assert report.passed
    assert "unused.weight, unused.bias: no gradient reaches them on either side" in str(report)
    both = compare_gradients(lambda x: x.round(), lambda x: x.round(), torch.randn(6))
    assert not both.passed


def test_more_samples_than_a_block():
    def backward(g, x, w):
        return g @ w, g[:100].T @ x[:100]

    fault = only_fault(
        by_hand(nn.functional.linear, backward),
        nn.functional.linear,
        torch.randn(9, 5),
        torch.randn(4, 5),
    )
    assert (fault.gradient, fault.input) == ("input 1", "131 samples")


class Frozen(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    def backward(ctx, g):
        x, weight = ctx.saved_tensors
        if not ctx.needs_input_grad[1]:
            return 2 * g @ weight, None
        return g @ weight, g.T @ x


class FrozenLinear(nn.Linear):
    def forward(self, x):
        return Frozen.apply(x, self.weight)


def test_weights_without_gradient():
    fault = only_fault(FrozenLinear(6, 5, False), nn.Linear(6, 5, False), torch.randn(9, 6))
    assert fault.input == "weights without gradient"


class Overwriting(torch.autograd.Function):
    @staticmethod
    def forward(ctx, i, weight):
        ctx.save_for_backward(i)
        ctx.shape = weight.shape
        return weight[i]

    @staticmethod
    def backward(ctx, g):
        [i] = ctx.saved_tensors
        gradient = torch.zeros(ctx.shape, dtype=g.dtype)
        gradient[i.reshape(-1)] = g.reshape(-1, g.shape[-1])
        return None, gradient


class OverwritingEmbedding(nn.Embedding):
    def forward(self, i):
        return Overwriting.apply(i, self.weight)


def test_indices_that_come_twice():
    indices = torch.arange(8).reshape(4, 2)
    fault = only_fault(OverwritingEmbedding(40, 5), nn.Embedding(40, 5), indices)
    assert fault.input == "other indices"


def test_memory_that_starts_elsewhere():
    def backward(g, x):
        return g.as_strided(g.shape, g.stride(), 0) * (1 - x.tanh() ** 2)

    fault = only_fault(by_hand(torch.tanh, backward), torch.tanh, torch.randn(6, 5))
    assert fault.cotangent == "sliced"


def test_channels_last():
    def backward(g, x):
        if not g.is_contiguous() and g.is_contiguous(memory_format=torch.channels_last):
            g = g.permute(0, 2, 3, 1).reshape(g.shape)
        return g * (1 - x.tanh() ** 2)

    fault = only_fault(by_hand(torch.tanh, backward), torch.tanh, torch.randn(2, 3, 5, 4))
    assert fault.cotangent == "channels last"


class BehindZeros(nn.Module):
    def __init__(self, tanh):
        super().__init__()
        self.tanh, self.first, self.last = tanh, nn.Linear(4, 3), nn.Linear(3, 2)
        nn.init.zeros_(self.last.weight)

    def forward(self, x):
        return self.last(self.tanh(self.first(x)))


def test_what_zero_weights_hide():
    tripled = by_hand(torch.tanh, lambda g, x: 3 * g * (1 - x.tanh() ** 2))
    report = compare_gradients(BehindZeros(tripled), BehindZeros(torch.tanh), torch.randn(5, 4))
    assert [layer.label for layer in report.originators] == ["BehindZeros, outside its layers"]
    assert "3 times too large" in report.originators[0].faults[0].diagnosis.sentence
    assert compare_gradients(
        BehindZeros(by_hand(torch.tanh, lambda g, x: g * (1 - x.tanh() ** 2))),
        BehindZeros(torch.tanh),
        torch.randn(5, 4),
    ).passed


def test_parameters_that_nothing_was_compared_of_are_named():
    class Model(BehindZeros):
        def forward(self, x):
            return self.last(x[:, :3]) + 0 * self.first(x).sum()

    report = compare_gradients(Model(torch.tanh), Model(torch.tanh), torch.randn(5, 4))
    assert any(r.startswith("first.weight, first.bias: zero everywhere") for r in report.remarks)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_where_the_exponential_overflows(dtype):
    softplus = by_hand(nn.functional.softplus, lambda g, x: g * x.exp() / (1 + x.exp()))
    fault = only_fault(softplus, nn.functional.softplus, torch.randn(6, 5, dtype=dtype))
    assert fault.input == "far out"
    assert "NaN" in fault.diagnosis.sentence


def test_where_the_forward_overflows_too_no_gradient_is_asked():
    def plain_softmax(x):
        e = x.exp()
        return e / e.sum(1, keepdim=True)

    report = compare_gradients(plain_softmax, lambda x: x.softmax(1), torch.randn(6, 5))
    assert report.passed
