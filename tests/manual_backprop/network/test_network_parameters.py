import copy
import itertools
import pickle
import re

import pytest
import torch
from torch import nn

from manual_backprop.network import Network
from tests.manual_backprop.twins import (
    SIZES,
    TORCH,
    data,
    seeded,
    sequential,
)


@pytest.mark.parametrize("sizes", [(784, 160, 10), (7, 3), SIZES, (5, 4, 4, 4, 4, 3)])
def test_initial_weights_are_those_of_torch_linear(sizes):
    torch.manual_seed(0)
    network = Network(sizes)
    torch.manual_seed(0)
    modules = [nn.Linear(*pair) for pair in itertools.pairwise(sizes)]
    for W, b, linear in zip(network.weights, network.biases, modules, strict=True):
        assert torch.equal(W, linear.weight)
        assert torch.equal(b, linear.bias)
    assert torch.equal(
        Network(sizes, generator=seeded(5)).weights[0],
        Network(sizes, generator=seeded(5)).weights[0],
    )


@pytest.mark.parametrize("sizes", [(7, 4), SIZES, (7, 5, 5, 5, 5, 4)])
@pytest.mark.parametrize("loss", TORCH)
def test_state_dict_interchanges_with_sequential(sizes, loss):
    network, other = (Network(sizes, "gelu", loss, generator=seeded(s)) for s in (0, 1))
    x, _ = data(dtype=torch.float32)
    twin = sequential(network)  # loads network.state_dict() strictly
    other.load_state_dict(twin.state_dict())
    assert list(twin.state_dict()) == list(network.state_dict())
    assert torch.equal(other.forward(x), network.forward(x))
    assert torch.equal(nn.Sequential(*twin[: 2 * len(sizes) - 3])(x), network.z[-1])
    other.load_state_dict(dict(sequential(other).named_parameters()))
    assert not any(w.requires_grad for w in other.weights + other.biases)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_copies_are_equal_and_independent(copied):
    network = Network(SIZES, generator=seeded())
    twin = copied(network)
    assert (
        repr(twin)
        == repr(network)
        == ("Network((7, 6, 5, 4), activation='relu', loss='cross-entropy')")
    )
    before = network.weights[0].clone()
    twin.step(*data(), lr=1)
    assert torch.equal(network.weights[0], before)
    assert not torch.equal(twin.weights[0], before)


double = torch.float64


@pytest.mark.parametrize(
    ("args", "options", "dtype"),
    [
        ((double,), {}, double),
        (("cpu",), {}, torch.float32),
        (("cpu", double), {}, double),
        ((torch.device("cpu"), double, True), {}, double),
        ((torch.zeros(1, dtype=double),), {}, double),
        ((), {"dtype": double}, double),
        ((), {"device": "cpu", "dtype": double, "non_blocking": True}, double),
        ((), {"tensor": torch.zeros(1, dtype=double)}, double),
        ((), {}, torch.float32),
    ],
)
def test_to_takes_what_modules_take(args, options, dtype):
    network, module = Network((3, 2), dtype=torch.float32), nn.Linear(3, 2)
    assert network.to(*args, **options).weights[0].dtype == dtype
    assert module.to(*args, **options).weight.dtype == dtype


@pytest.mark.parametrize(
    ("error", "args", "options", "message"),
    [
        (ValueError, (torch.int64,), {}, "expected torch.float32 or torch.float64, got torch.int6"),
        (ValueError, (torch.zeros(1).half(),), {}, "got torch.float16"),
        (TypeError, ("cpu", "cpu"), {}, "device and a dtype, or a tensor, got (str, str)"),
        (TypeError, (), {"type": double}, "or a tensor, got (type=dtype)"),
        (TypeError, (), {"memory_format": torch.channels_last}, "expected no memory_format"),
    ],
)
def test_to_refuses(error, args, options, message):
    network = Network((3, 2))
    with pytest.raises(error, match=re.escape(message)) as caught:
        network.to(*args, **options)
    assert "\n" not in str(caught.value)


def test_to_converts_everything():
    network = Network(SIZES, generator=seeded())
    network.step(*data(), lr=0.1, momentum=0.9)
    assert network.to(dtype=torch.float64) is network
    assert {t.dtype for t in network.weights + network.biases} == {torch.float64}
    with pytest.raises(RuntimeError, match="call forward first"):
        network.backward([0] * 9)
    assert network.step(*data(), lr=0.1, momentum=0.9).dtype == torch.float64
