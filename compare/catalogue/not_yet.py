"""What is planted in layers that manual_backprop does not have yet."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input, conv2d_weight

from compare.catalogue.host import CLASSES, Host, batch
from compare.catalogue.specimen import Bug, planted
from compare.diagnosis.mistake import Mistake


def _by_unfolding(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    patches, delta = F.unfold(x, 3, padding=1), g.flatten(2)
    grad_w = torch.einsum("nop,nkp->ok", delta, patches).reshape(w.shape)
    grad_x = F.fold(w.flatten(1).T @ delta, x.shape[2:], 3, padding=1)
    return grad_x, grad_w, delta.sum((0, 2))


def _last_of_several(g: Tensor, x: Tensor, a: Tensor) -> Tensor:
    n, c, h, w = x.shape
    windows = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(3, 4).flatten(4)
    last = 3 - windows.flip(4).argmax(4, keepdim=True)
    spread = torch.zeros_like(windows).scatter(4, last, g[..., None])
    return spread.unflatten(4, (2, 2)).transpose(3, 4).reshape(x.shape)


def _conv(n_in: int, n_out: int) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, 3, padding=1)


_IMAGES = batch(6, 2, 5, 7)
_CONV = Host(
    lambda: [_conv(2, 4), nn.Tanh(), _conv(4, 3), nn.Flatten(), nn.Linear(105, CLASSES)],
    2,
    _IMAGES,
    seed=3,
)
_FIRST_CONV = Host(
    lambda: [_conv(2, 4), nn.Tanh(), nn.Flatten(), nn.Linear(140, CLASSES)], 0, _IMAGES
)
_MAX_POOL = Host(
    lambda: [_conv(2, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, CLASSES)],
    1,
    batch(5, 2, 4, 6),
)

SPECIMENS = [
    *planted(
        "Conv2d",
        _CONV,
        wrong={
            "weight averaged over the batch": Bug(
                Mistake.MEAN_FOR_SUM,
                lambda g, x, w, b: conv2d_weight(x, list(w.shape), g, padding=1) / len(x),
                gradient="weight",
            ),
            "kernel turned round": Bug(
                Mistake.WRONG_WEIGHT,
                lambda g, x, w, b: conv2d_input(list(x.shape), w.flip(2, 3), g, padding=1),
            ),
            "bias not summed over the positions": Bug(
                Mistake.NOT_SUMMED, lambda g, x, w, b: g.sum(0), gradient="bias"
            ),
        },
    ),
    *planted("Conv2d", _FIRST_CONV, right={"by unfolding": _by_unfolding}),
    *planted("MaxPool2d", _MAX_POOL, right={"the last of several largest": _last_of_several}),
]
