"""Tables of rows."""

from typing import Any

import torch
from torch import Tensor, nn

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, Host
from compare.catalogue.specimen import Bug
from compare.catalogue.values import classes, normal
from compare.diagnosis.mistake import Mistake

_WORDS = torch.tensor([[1, 2, 3, 1], [4, 5, 2, 6], [7, 8, 9, 10]])
_HOST = Host(lambda: [nn.Embedding(11, 6), nn.Linear(6, CLASSES)], 0, _WORDS, seed=3)
_W = normal(7, 3)
_OTHER_GRADIENTS: list[dict[str, Any]] = [
    {"padding_idx": 2},
    {"scale_grad_by_freq": True},
    {"padding_idx": -1, "scale_grad_by_freq": True},
]


def _rows(g: Tensor, words: Tensor, w: Tensor) -> Tensor:
    return (w * 0).index_add(0, words.flatten(), g.flatten(0, -2))


_MODES = ("sum", "mean", "max")
_OFFSETS = torch.tensor([0, 3, 3, 4])  # the second bag is empty
# The arguments between offsets and per_sample_weights.
_SUM = (None, 2.0, False, "sum", False)
_BAGS = Host(lambda: [nn.EmbeddingBag(11, 6), nn.Linear(6, CLASSES)], 0, _WORDS, seed=3)


def _of_bags(g: Tensor, words: Tensor, w: Tensor) -> Tensor:
    return _rows(g[:, None].expand(*words.shape, -1) / words.shape[1], words, w)


ENTRIES = [
    Entry(
        "Embedding",
        "embedding",
        calls=[call(classes(*shape, of=7), _W) for shape in [(9,), (4, 5), (), (2, 3, 4)]],
        special=[
            *(call(classes(*shape, of=7), _W) for shape in [(0,), (3, 0)]),
            # Their gradient is not the derivative of the forward.
            *(
                call(classes(*shape, of=7), _W, **o)
                for shape in [(9,), (4, 5), (), (0,)]
                for o in _OTHER_GRADIENTS
            ),
        ],
        modules=[
            {"num_embeddings": 13, "embedding_dim": 4},
            {"num_embeddings": 13, "embedding_dim": 4, "padding_idx": 3},
            {"num_embeddings": 13, "embedding_dim": 4, "scale_grad_by_freq": True},
        ],
        inputs=lambda: (torch.randint(13, (33, 5)),),
        host=_HOST,
        wrong={
            "repeated index counts once": Bug(
                Mistake.OVERWRITTEN,
                lambda g, words, w: (w * 0).index_copy(0, words.flatten(), g.flatten(0, -2)),
                gradient="weight",
            ),
            "averaged over the samples": Bug(
                Mistake.MEAN_FOR_SUM,
                lambda g, words, w: _rows(g, words, w) / len(words),
                gradient="weight",
            ),
            "indices counted from 1": Bug(
                Mistake.PERMUTED,
                lambda g, words, w: _rows(g, (words - 1) % len(w), w),
                gradient="weight",
            ),
        },
        right={
            "by adding at the indices": lambda g, words, w: (None, _rows(g, words, w)),
            "one-hot rows": lambda g, words, w: (
                None,
                nn.functional.one_hot(words.flatten(), len(w)).to(g.dtype).T @ g.flatten(0, -2),
            ),
        },
    ),
    Entry(
        "EmbeddingBag",
        "embedding_bag",
        calls=[
            *(call(classes(4, 5, of=7), _W, mode=mode) for mode in _MODES),
            *(call(classes(9, of=7), _W, _OFFSETS, mode=mode) for mode in _MODES),
            call(classes(4, of=7), _W, _OFFSETS, mode="sum", include_last_offset=True),
            call(classes(9, of=7), _W, _OFFSETS, *_SUM, normal(9, seed=2)),
            call(
                classes(4, 5, of=7), _W, None, None, 2.0, False, "sum", False, normal(4, 5, seed=2)
            ),
        ],
        special=[
            # Their gradient is not the derivative of the forward.
            *(call(classes(9, of=3), _W, _OFFSETS, mode=mode, padding_idx=1) for mode in _MODES),
            *(
                call(classes(4, 5, of=7), _W, mode=mode, scale_grad_by_freq=True)
                for mode in ("sum", "mean")
            ),
            call(
                *(classes(9, of=3), _W, _OFFSETS, None, 2.0, True, "sum", False, normal(9, seed=2)),
                padding_idx=1,
            ),
            call(classes(4, 5, of=3), _W.round(), mode="max"),
        ],
        modules=[
            {"num_embeddings": 13, "embedding_dim": 4},
            {"num_embeddings": 13, "embedding_dim": 4, "mode": "sum", "padding_idx": 3},
            {"num_embeddings": 13, "embedding_dim": 4, "mode": "max"},
            {"num_embeddings": 13, "embedding_dim": 4, "scale_grad_by_freq": True},
        ],
        inputs=lambda: (torch.randint(13, (33, 5)),),
        host=_BAGS,
        wrong={
            "mean forgotten": Bug(
                Mistake.FACTOR, lambda g, words, w: _of_bags(g, words, w) * 4, gradient="weight"
            ),
            "repeated index counts once": Bug(
                Mistake.PART_OF_BATCH,
                lambda g, words, w: (w * 0).index_copy(
                    0, words.flatten(), g.repeat_interleave(4, 0) / 4
                ),
                gradient="weight",
                diagnosed=False,
            ),
            "averaged over the bags": Bug(
                Mistake.MEAN_FOR_SUM,
                lambda g, words, w: _of_bags(g, words, w) / len(words),
                gradient="weight",
            ),
        },
        right={"by adding at the indices": lambda g, words, w: (None, _of_bags(g, words, w))},
    ),
]
