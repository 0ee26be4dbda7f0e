import math

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import manual_backprop
from compare.catalogue.values import normal
from compare.trial.given import tensors_in
from manual_backprop.sequence.gru import gru
from manual_backprop.sequence.lstm import lstm
from manual_backprop.sequence.rnn import rnn
from tests.manual_backprop.calls import close

NETWORKS = ["RNN", "LSTM", "GRU"]


def test_rnn_by_hand():
    """h = (1 · 1 + 0, 2 · 1 + 1 · 2) = (1, 4), by x = (1, 2), W_ih = 1 and W_hh = 2."""
    x, h = torch.tensor([[[1.0]], [[2.0]]]), torch.zeros(1, 1)
    W_ih, W_hh = torch.tensor([[1.0]]), torch.tensor([[2.0]])
    leaves = [t.requires_grad_() for t in (x, h, W_ih, W_hh)]
    found = rnn(*leaves, nonlinearity="relu")
    assert found.flatten().tolist() == [1, 4]
    # δ_2 = 3, δ_1 = 5 + 3 · 2 = 11
    grads = torch.autograd.grad(found, leaves, torch.tensor([[[5.0]], [[3.0]]]))
    assert [g.flatten().tolist() for g in grads] == [[11, 3], [22], [11 + 3 * 2], [3]]


def test_lstm_by_hand():
    """Weights of 0 leave i = f = o = ½, g = 0: c halves at each step, and so does its gradient."""
    x, h, c = torch.ones(2, 1, 1), torch.zeros(1, 1), torch.tensor([[4.0]], requires_grad=True)
    W = torch.zeros(4, 1, requires_grad=True)
    hs, cs = lstm(x, h, c, W, torch.zeros(4, 1))
    assert cs.flatten().tolist() == [2, 1]
    torch.testing.assert_close(hs[1].item(), math.tanh(1) / 2)
    grads = torch.autograd.grad(cs, [c, W], torch.tensor([[[0.0]], [[16.0]]]))
    # ∂L/∂c_1 = 8, ∂L/∂c_0 = 4; by i 0, since g = 0; by f ¼(16 · 2 + 8 · 4); by g ½(16 + 8); by o 0
    assert [g.flatten().tolist() for g in grads] == [[4], [0, 16, 12, 0]]


def test_gru_by_hand():
    """Weights of 0 leave r = z = ½ and n = 0: h halves at each step, and so does its gradient."""
    x, h = torch.ones(2, 1, 1), torch.tensor([[4.0]], requires_grad=True)
    W = torch.zeros(3, 1, requires_grad=True)
    hs = gru(x, h, W, torch.zeros(3, 1))
    assert hs.flatten().tolist() == [2, 1]
    grads = torch.autograd.grad(hs, [h, W], torch.tensor([[[0.0]], [[16.0]]]))
    # ∂L/∂h_1 = 8; by r 0, since u^n = 0; by z ¼(16 · 2 + 8 · 4), by n ½(16 + 8)
    assert [g.flatten().tolist() for g in grads] == [[4], [0, 16, 12]]


def twins(name, **options):
    torch.manual_seed(0)
    manual, reference = (
        getattr(layers, name)(3, 2, **options).double() for layers in (manual_backprop, nn)
    )
    manual.load_state_dict(reference.state_dict())
    return manual, reference


def states(name, *shape):
    h, c = normal(*shape, 2, seed=8).requires_grad_(), normal(*shape, 2, seed=9).requires_grad_()
    return (h, c) if name in ("LSTM", "LSTMCell") else h


def packed(x, lengths, enforce_sorted):
    sequences = [x[:length, n] for n, length in enumerate(lengths)]
    return pack_sequence(sequences, enforce_sorted=enforce_sorted)


def tensors(output):
    """All that are in there, also of packed sequences."""
    if isinstance(output, PackedSequence):
        return [output.data]
    if isinstance(output, torch.Tensor):
        return [output]
    return [tensor for each in output for tensor in tensors(each)]


def same(twins, inputs, hx, leaves):
    """The outputs, last states and gradients, under the same random numbers."""
    found = []
    for module in twins:
        torch.manual_seed(1)
        outputs = tensors(module(inputs, hx))
        gs = [normal(*t.shape, seed=i) for i, t in enumerate(outputs)]
        given = [*leaves, *tensors_in(hx), *module.parameters()]
        grads = torch.autograd.grad(outputs, given, gs, retain_graph=True)  # the packing's graph
        found.append([*outputs, *grads])
    for actual, expected in zip(*found, strict=True):
        close(actual.detach(), expected.detach(), *gs)


STACK = {"num_layers": 2, "bidirectional": True}


@pytest.mark.parametrize("lengths", [(4, 2, 1), (2, 4, 3)], ids=["sorted", "unsorted"])
@pytest.mark.parametrize("options", [{}, {**STACK, "dropout": 0.5}], ids=["one", "stack"])
@pytest.mark.parametrize("name", NETWORKS)
def test_sequences_of_several_lengths(name, options, lengths):
    x = normal(4, 3, 3).requires_grad_()
    given = packed(x, lengths, enforce_sorted=lengths[0] == 4)
    hx = states(name, 4 if options else 1, 3)
    modules = twins(name, **options)
    same(modules, given, hx, [x])
    output, _ = modules[0](given)
    assert torch.equal(output.batch_sizes, given.batch_sizes)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_single_sequence(name):
    x = normal(4, 3).requires_grad_()
    same(twins(name, **STACK, batch_first=True), x, states(name, 4), [x])


@pytest.mark.parametrize("name", NETWORKS)
def test_batch_first(name):
    x = normal(2, 4, 3).requires_grad_()
    same(twins(name, **STACK, batch_first=True, dropout=0.5), x, states(name, 4, 2), [x])


@pytest.mark.parametrize("shape", [(4,), ()], ids=["batch", "one"])
@pytest.mark.parametrize("name", [f"{name}Cell" for name in NETWORKS])
def test_a_cell(name, shape):
    x = normal(*shape, 3).requires_grad_()
    same(twins(name), x, states(name, *shape), [x])


def test_a_copy_with_other_weights():
    """As torch.func runs a module: with weights that are not its own."""
    manual, reference = twins("LSTM")
    other = {name: p.detach() * 2 for name, p in manual.named_parameters()}
    x = normal(3, 2, 3)
    found, _ = torch.func.functional_call(manual, other, (x,))
    with torch.no_grad():
        for name, p in reference.named_parameters():
            p.copy_(other[name])
    close(found.detach(), reference(x)[0].detach())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_loop_is_compiled(name):
    torch._dynamo.reset()
    module = twins(name)[0]
    x = normal(3, 2, 3).requires_grad_()
    with torch._dynamo.config.patch(allow_rnn=True):
        output, _ = torch.compile(module, fullgraph=True, backend="aot_eager")(x)
    g = normal(3, 2, 2, seed=5)
    leaves = [x, *module.parameters()]
    for actual, expected in zip(
        torch.autograd.grad(output, leaves, g),
        torch.autograd.grad(module(x)[0], leaves, g),
        strict=True,
    ):
        close(actual, expected, g)


@pytest.mark.parametrize(
    ("error", "says", "call"),
    [
        (ValueError, "proj_size=0, got 1", lambda: manual_backprop.LSTM(3, 2, proj_size=1)(XS)),
        (ValueError, "2D or 3D, got 1D", lambda: manual_backprop.GRU(3, 2)(XS[0, 0])),
        (ValueError, "1D or 2D, got 3D", lambda: manual_backprop.GRUCell(3, 2)(XS)),
        (RuntimeError, "Expected 4, got 3", lambda: manual_backprop.RNN(4, 2)(XS)),
        (ValueError, r"\(6, 2\)", lambda: lstm(XS, *[XS[0, :, :2]] * 2, XS[0], normal(6, 2))),
        (ValueError, "or more", lambda: rnn(XS[:0], normal(4, 2), normal(2, 3), normal(2, 2))),
        (ValueError, "'sine'", lambda: rnn(XS, XS, XS, XS, nonlinearity="sine")),
    ],
)
def test_bad_input(error, says, call):
    with pytest.raises(error, match=says):
        call()


XS = torch.ones(2, 4, 3)
