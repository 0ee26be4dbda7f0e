import pytest
import torch

from compare.catalogue.values import classes, normal
from manual_backprop import functional

WORDS = torch.tensor([0, 1, 0, 2])
OFFSETS = torch.tensor([0, 2, 2])  # the bags (0, 1), () and (0, 2)


@pytest.mark.parametrize(
    ("options", "expected", "grad"),
    [
        ({"mode": "sum"}, [[6, 2], [0, 0], [6, 8]], [[7, 9], [1, 2], [6, 7]]),
        ({"mode": "mean"}, [[3, 1], [0, 0], [3, 4]], [[3.5, 4.5], [0.5, 1], [3, 3.5]]),
        ({"mode": "max"}, [[5, 2], [0, 0], [5, 6]], [[0, 2], [1, 0], [6, 7]]),
        ({"mode": "sum", "padding_idx": 0}, [[5, 0], [0, 0], [5, 6]], [[0, 0], [1, 2], [6, 7]]),
        ({"mode": "mean", "padding_idx": 0}, [[5, 0], [0, 0], [5, 6]], [[0, 0], [1, 2], [6, 7]]),
        (
            {"mode": "sum", "scale_grad_by_freq": True},
            [[6, 2], [0, 0], [6, 8]],
            [[3.5, 4.5], [1, 2], [6, 7]],
        ),
    ],
    ids=str,
)
def test_by_hand(options, expected, grad):
    W = torch.tensor([[1.0, 2], [5, 0], [5, 6]], requires_grad=True)
    y = functional.embedding_bag(WORDS, W, OFFSETS, **options)
    assert y.tolist() == expected
    y.backward(torch.tensor([[1.0, 2], [3, 4], [6, 7]]))
    assert W.grad.tolist() == grad


def test_weights_of_the_words_by_hand():
    W = torch.tensor([[1.0, 2], [5, 0], [5, 6]], requires_grad=True)
    s = torch.tensor([1.0, 2, 3, 4], requires_grad=True)
    y = functional.embedding_bag(WORDS, W, OFFSETS, mode="sum", per_sample_weights=s)
    assert y.tolist() == [[11, 2], [0, 0], [23, 30]]
    y.backward(torch.tensor([[1.0, 2], [3, 4], [6, 7]]))
    assert W.grad.tolist() == [[19, 23], [2, 4], [24, 28]]
    assert s.grad.tolist() == [5, 5, 20, 72]


def test_the_last_offset_may_be_the_end():
    W, offsets = normal(3, 2), torch.tensor([0, 2, 2, 4])
    y = functional.embedding_bag(WORDS, W, offsets, include_last_offset=True)
    assert torch.equal(y, functional.embedding_bag(WORDS, W, OFFSETS))


@pytest.mark.parametrize(
    ("error", "says", "options"),
    [
        (ValueError, "'sum', 'mean' or 'max', got 'min'", {"mode": "min"}),
        (ValueError, "max_norm", {"max_norm": 1.0}),
        (ValueError, "sparse", {"sparse": True}),
        (ValueError, r"got input \(2, 3\) and offsets \(3,\)", {"offsets": OFFSETS}),
        (ValueError, r"got input \(4,\) and offsets None", {"input": WORDS}),
        (ValueError, "with mode 'mean'", {"per_sample_weights": normal(2, 3)}),
        (ValueError, r"got \(4,\)", {"per_sample_weights": normal(4), "mode": "sum"}),
        (ValueError, "scale_grad_by_freq", {"scale_grad_by_freq": True, "mode": "max"}),
        (TypeError, "int64 or int32", {"input": normal(2, 3)}),
    ],
)
def test_bad_input(error, says, options):
    arguments = {"input": classes(2, 3, of=4), "weight": normal(4, 2), **options}
    with pytest.raises(error, match=says):
        functional.embedding_bag(**arguments)
