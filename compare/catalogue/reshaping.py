"""What stands between images and a Linear."""

import torch
from torch import nn

from compare.catalogue.entry import Entry, call
from compare.catalogue.host import CLASSES, Host, batch
from compare.catalogue.specimen import Bug
from compare.catalogue.values import empty, normal
from compare.diagnosis.mistake import Mistake
from manual_backprop.convolution.flatten import ReshapeFunction, flatten, unflatten

_X, _Z = normal(2, 3, 4), normal(2, 12)
_FLATTEN = Host(
    lambda: [nn.Conv2d(2, 3, 3, padding=1), nn.Flatten(), nn.Linear(60, CLASSES)],
    1,
    batch(6, 2, 4, 5),
)
_UNFLATTEN = Host(
    lambda: [nn.Linear(11, 60), nn.Unflatten(1, (3, 4, 5)), nn.Conv2d(3, 2, 3)], 1, batch(6, 11)
)


ENTRIES = [
    Entry(
        "Flatten",
        flatten,
        calls=[call(_X), call(_X, 1), call(_X, 0, 1), call(_X.mT, -2, -1)],
        special=[call(normal()), call(empty(0, 3, 4), 1), call(empty(2, 3, 0), 0, 1)],
        modules=[{}, {"start_dim": 0, "end_dim": 1}],
        inputs=lambda: (torch.randn(3, 2, 7),),
        twin_function=torch.flatten,
        derivation=ReshapeFunction,
        host=_FLATTEN,
        wrong={
            "channels last": Bug(
                Mistake.PERMUTED, lambda g, x, y: g.reshape(-1, 4, 5, 3).movedim(3, 1)
            ),
            "rows instead of columns": Bug(
                Mistake.PERMUTED, lambda g, x, y: g.reshape(-1, 3, 5, 4).mT
            ),
            "samples and channels swapped": Bug(
                Mistake.PERMUTED, lambda g, x, y: g.reshape(3, -1, 4, 5).transpose(0, 1)
            ),
        },
        right={"view": lambda g, x, y: g.contiguous().view(x.shape)},
    ),
    Entry(
        "Unflatten",
        unflatten,
        calls=[call(_Z, 1, (3, 4)), call(_Z, -1, (2, -1, 3)), call(_Z.mT, 0, (4, 3))],
        special=[call(empty(0, 12), 1, (3, 4)), call(empty(2, 0), 1, (3, 0))],
        modules=[{"dim": 1, "unflattened_size": (3, 4)}],
        inputs=lambda: (torch.randn(5, 12),),
        twin_function=torch.unflatten,
        derivation=ReshapeFunction,
        host=_UNFLATTEN,
        wrong={
            "channels last": Bug(Mistake.PERMUTED, lambda g, x, y: g.movedim(1, 3).flatten(1)),
            "rows instead of columns": Bug(Mistake.PERMUTED, lambda g, x, y: g.mT.flatten(1)),
            "halved": Bug(Mistake.FACTOR, lambda g, x, y: g.flatten(1) / 2),
        },
        right={
            "by concatenation": lambda g, x, y: torch.cat([c.flatten(1) for c in g.unbind(1)], 1)
        },
    ),
]
