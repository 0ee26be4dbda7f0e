"""A recorded step is the step itself: on a GPU, and on the CPU with ``played_graphs``'s graphs."""

import pytest
import torch

from manual_backprop import Network
from manual_backprop.activation.table import ACTIVATIONS
from manual_backprop.network import trainable
from manual_backprop.network.captured import Captured
from manual_backprop.network.losses import LOSSES

SIZES = (7, 6, 5, 4)


def counting(total):
    """x ↦ (the sum of all x so far, 2x)."""

    def function(x):
        total.add_(x)
        return total.clone(), 2 * x

    return function


def check_counting(device):
    step = Captured(counting(torch.zeros(2, device=device)), torch.device(device))
    given = [torch.full((2,), float(i), device=device) for i in (1, 2, 3, 4)]
    seen = [step(x) for x in given]
    assert [x.tolist() for x in given] == [[1, 1], [2, 2], [3, 3], [4, 4]]
    assert [total.tolist() for total, _ in seen] == [[1, 1], [3, 3], [6, 6], [10, 10]]
    assert [twice.tolist() for _, twice in seen] == [[2, 2], [4, 4], [6, 6], [8, 8]]


def test_each_call_is_one_run(graphs):
    check_counting("cpu")
    assert [graph.replays for graph in graphs] == [3]


def test_inputs_of_another_shape_are_refused(graphs):
    step = Captured(counting(torch.zeros(2)), torch.device("cpu"))
    step(torch.ones(2))
    step(torch.ones(2))
    with pytest.raises(ValueError, match=r"recorded for torch.float32 of \(2,\), got .* \(1,\)"):
        step(torch.ones(1))
    with pytest.raises(ValueError, match=r"got torch.float32 of \(2,\), torch.float32 of \(2,\)"):
        step(torch.ones(2), torch.ones(2))
    with pytest.raises(ValueError, match=r"got torch.int64 of \(2,\)"):
        step(torch.ones(2, dtype=torch.int64))


@pytest.mark.parametrize("many", [1, 3])
def test_another_number_of_inputs_is_refused(graphs, many):
    step = Captured(lambda x, y=None, z=None: (x + y,), torch.device("cpu"))
    step(torch.ones(2), torch.ones(2))
    step(torch.ones(2), torch.ones(2))
    given = ", ".join([r"torch.float32 of \(2,\)"] * many)
    with pytest.raises(ValueError, match=f"got {given}$"):
        step(*[torch.ones(2)] * many)


def test_a_look_at_a_value_cannot_be_recorded(graphs):
    step = Captured(lambda x: (x / float(x.sum()),), torch.device("cpu"))
    step(torch.ones(2))
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
        step(torch.ones(2))


def fit(activation, loss, device="cpu"):
    """Weights and velocities after epochs of two whole batches and one that is smaller."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(11, 7, generator=generator, dtype=torch.float64)
    y = torch.rand(11, 4, generator=generator, dtype=torch.float64)
    y = y / y.sum(1, keepdim=True)
    fitted = Network(SIZES, activation, loss, dtype=x.dtype, device=device, generator=generator)
    fitted.fit(x, y, epochs=4, batch_size=4, lr=0.3, momentum=0.9, generator=generator)
    return [w.cpu() for w in fitted.weights + fitted.biases + fitted.velocities]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fit_by_recorded_steps(activation, loss, graphs, monkeypatch):
    plain = fit(activation, loss)
    monkeypatch.setattr(trainable, "captured", Captured)
    recorded = fit(activation, loss)
    assert [graph.replays for graph in graphs] == [7, 3]
    assert all(torch.equal(a, b) for a, b in zip(recorded, plain, strict=True))


@pytest.mark.gpu
def test_each_call_is_one_run_on_a_gpu():
    check_counting("cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fit_on_a_gpu(activation, loss):
    for ours, theirs in zip(fit(activation, loss, "cuda"), fit(activation, loss), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
