"""Right backwards, written otherwise than PyTorch's: none of them may be accused."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compare.catalogue.specimen import (
    Specimen,
    batch,
    function,
    labels,
    layer,
    linear,
    network,
    pointwise,
)
from compare.trial.question import Question

N, WIDTH, CLASSES = 9, 6, 5


def _einsum(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    return (
        torch.einsum("no,oi->ni", g, w),
        torch.einsum("no,ni->oi", g, x),
        torch.einsum("no->o", g),
    )


def _one_by_one(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """The sums over the batch from the last sample to the first."""
    grad_w, grad_b = torch.zeros_like(w), torch.zeros_like(b)
    for delta, row in zip(g.flip(0), x.flip(0), strict=True):
        grad_w, grad_b = grad_w + torch.outer(delta, row), grad_b + delta
    return g @ w, grad_w, grad_b


def _in_chunks(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    parts = [
        (delta.T @ rows, delta.sum(0)) for delta, rows in zip(g.split(4), x.split(4), strict=True)
    ]
    return g @ w, sum(p for p, _ in parts), sum(p for _, p in parts)


def _in_float64(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    g, x, w = g.double(), x.double(), w.double()
    return (g @ w).to(b.dtype), (g.T @ x).to(b.dtype), g.sum(0).to(b.dtype)


def _outer_products(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    return (g[:, None] @ w)[:, 0], (g[:, :, None] * x[:, None]).sum(0), g.sum(0)


def _other_layout(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """Gradients that lie in memory as their transposes."""
    return (w.T @ g.T).T, (x.T @ g).T, (g.T @ g.new_ones(len(g), 1))[:, 0]


def _into_a_buffer(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    grad_w = torch.empty_like(w)
    torch.mm(g.T, x, out=grad_w)
    return g @ w, grad_w, torch.addmv(torch.zeros_like(b), g.T, g.new_ones(len(g)))


_LINEAR: dict[str, Callable[..., Any]] = {
    "einsum": _einsum,
    "sample by sample, from the last one": _one_by_one,
    "in chunks": _in_chunks,
    "in float64": _in_float64,
    "outer products": _outer_products,
    "transposed in memory": _other_layout,
    "into a buffer": _into_a_buffer,
}

_POINTWISE: dict[str, tuple[nn.Module, Callable[..., Any]]] = {
    "ReLU: times a mask": (nn.ReLU(), lambda g, z, a: g * (z > 0)),
    "ReLU: mask of the output": (nn.ReLU(), lambda g, z, a: torch.where(a > 0, g, 0)),
    "ReLU: 1 at 0": (nn.ReLU(), lambda g, z, a: torch.where(z < 0, 0, g)),
    "ReLU: ½ at 0": (nn.ReLU(), lambda g, z, a: g * torch.heaviside(z, z.new_tensor(0.5))),
    "LeakyReLU: by its slope": (
        nn.LeakyReLU(0.1),
        lambda g, z, a: g * (0.1 + 0.9 * (z > 0)),
    ),
    "ELU: from its output": (nn.ELU(), lambda g, z, a: g * torch.where(z > 0, 1, a + 1)),
    "Sigmoid: σ(z) σ(−z)": (nn.Sigmoid(), lambda g, z, a: g * z.sigmoid() * (-z).sigmoid()),
    "Sigmoid: by e^−z": (
        nn.Sigmoid(),
        lambda g, z, a: g * (-z.abs()).exp() / (1 + (-z.abs()).exp()) ** 2,
    ),
    "Tanh: 1 / cosh²": (nn.Tanh(), lambda g, z, a: g / z.cosh() ** 2),
    "Tanh: (1 − a)(1 + a)": (nn.Tanh(), lambda g, z, a: g * (1 - a) * (1 + a)),
    "Softplus: 1 − e^−a": (nn.Softplus(), lambda g, z, a: g * -torch.expm1(-a)),
    "SiLU: a + σ(1 − a)": (
        nn.SiLU(),
        lambda g, z, a: g * (a + z.sigmoid() * (1 - a)),
    ),
    "GELU: by erf": (
        nn.GELU(),
        lambda g, z, a: (
            g
            * (
                0.5 * (1 + torch.erf(z / math.sqrt(2)))
                + z * (-z * z / 2).exp() / math.sqrt(2 * math.pi)
            )
        ),
    ),
    "Softmax: by its Jacobian": (
        nn.Softmax(1),
        lambda g, z, a: torch.einsum(
            "nk,nkj->nj", g, torch.diag_embed(a) - a[:, :, None] * a[:, None]
        ),
    ),
    "Softmax: recomputed": (
        nn.Softmax(1),
        lambda g, z, a: (
            lambda e: e / e.sum(1, True) * (g - (g * e).sum(1, True) / e.sum(1, True))
        )((z - z.amax(1, True)).exp()),
    ),
    "LogSoftmax: recomputed": (
        nn.LogSoftmax(1),
        lambda g, z, a: g - z.softmax(1) * (g @ g.new_ones(g.shape[1], 1)),
    ),
}


def specimens() -> Iterator[Specimen]:
    """All of them."""
    for name, backward in _LINEAR.items():
        yield Specimen(f"Linear: {name}", _deep(backward))
    for name, (base, backward) in _POINTWISE.items():
        yield Specimen(name, _after_linear(base, backward))
    yield Specimen("CrossEntropy: fused", _cross_entropy)
    yield Specimen("MSE: by halves", _mse)
    yield Specimen("LayerNorm: the textbook's three terms", _layer_norm)
    yield Specimen("Conv2d: by unfolding", _conv)
    yield Specimen("MaxPool2d: the last of several largest", _max_pool)
    yield Specimen("Embedding: by adding at the indices", _embedding)
    yield Specimen("Linear and ReLU fused", _fused)


def _deep(backward: Callable[..., Any]) -> Callable[[], Question]:
    def build() -> Question:
        torch.manual_seed(4)
        base = nn.Linear(7, 7)
        around = nn.Linear(11, 7), nn.Tanh(), base, nn.Tanh(), nn.Linear(7, CLASSES)
        return network(*around, place=2, by_hand=linear(base, backward), inputs=batch(N, 11))

    return build


def _after_linear(base: nn.Module, backward: Callable[..., Any]) -> Callable[[], Question]:
    def build() -> Question:
        torch.manual_seed(4)
        around = nn.Linear(11, WIDTH), base, nn.Linear(WIDTH, CLASSES)
        return network(*around, place=1, by_hand=pointwise(base, backward), inputs=batch(N, 11))

    return build


def _with_loss(loss: Any, by_hand: Any, targets: Tensor) -> Question:
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(11, 7), nn.ReLU(), nn.Linear(7, CLASSES))
    return Question(model, model, [batch(N, 11)], (by_hand, loss), targets)


def _cross_entropy() -> Question:
    def backward(g: Tensor, z: Tensor, y: Tensor) -> tuple[Tensor, None]:
        e = (z - z.amax(1, True)).exp()
        delta = e / e.sum(1, True)
        delta[range(len(y)), y] -= 1
        return delta * (g / len(y)), None

    by_hand = function(F.cross_entropy, backward)
    return _with_loss(F.cross_entropy, by_hand, labels(N, CLASSES))


def _mse() -> Question:
    by_hand = function(
        lambda a, y: (a * a).mean() - 2 * (a * y).mean() + (y * y).mean(),
        lambda g, a, y: ((a - y) * g / (a.numel() / 2), None),
    )
    return _with_loss(F.mse_loss, by_hand, batch(N, CLASSES, seed=7).sigmoid())


def _layer_norm() -> Question:
    def backward(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        centred = x - x.mean(1, True)
        variance = (centred * centred).mean(1, True) + 1e-5
        of_hat = g * w
        of_variance = (of_hat * centred).sum(1, True) * -0.5 * variance.pow(-1.5)
        of_mean = -of_hat.sum(1, True) / variance.sqrt()
        n = x.shape[1]
        grad_x = of_hat / variance.sqrt() + of_variance * 2 * centred / n + of_mean / n
        return grad_x, (g * centred / variance.sqrt()).sum(0), g.sum(0)

    torch.manual_seed(4)
    base = nn.LayerNorm(WIDTH)
    with torch.no_grad():
        base.weight.copy_(batch(WIDTH))
    apply = function(lambda x, w, b: F.layer_norm(x, (WIDTH,), w, b), backward)
    by_hand = layer(base, lambda self, x: apply(x, self.weight, self.bias))
    around = nn.Linear(11, WIDTH), base, nn.Linear(WIDTH, CLASSES)
    return network(*around, place=1, by_hand=by_hand, inputs=batch(N, 11))


def _conv() -> Question:
    def backward(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        patches, delta = F.unfold(x, 3, padding=1), g.flatten(2)
        grad_w = torch.einsum("nop,nkp->ok", delta, patches).reshape(w.shape)
        grad_x = F.fold(w.flatten(1).T @ delta, x.shape[2:], 3, padding=1)
        return grad_x, grad_w, delta.sum((0, 2))

    torch.manual_seed(4)
    base = nn.Conv2d(2, 4, 3, padding=1)
    apply = function(lambda x, w, b: F.conv2d(x, w, b, padding=1), backward)
    by_hand = layer(base, lambda self, x: apply(x, self.weight, self.bias))
    around = base, nn.Tanh(), nn.Flatten(), nn.Linear(140, CLASSES)
    return network(*around, place=0, by_hand=by_hand, inputs=batch(6, 2, 5, 7))


def _max_pool() -> Question:
    def backward(g: Tensor, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        windows = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(3, 4).flatten(4)
        last = 3 - windows.flip(4).argmax(4, keepdim=True)
        spread = torch.zeros_like(windows).scatter(4, last, g[..., None])
        return spread.unflatten(4, (2, 2)).transpose(3, 4).reshape(x.shape)

    torch.manual_seed(4)
    base = nn.MaxPool2d(2)
    apply = function(lambda x: F.max_pool2d(x, 2), backward)
    by_hand = layer(base, lambda self, x: apply(x))
    around = nn.Conv2d(2, 3, 3, padding=1), base, nn.Flatten(), nn.Linear(18, CLASSES)
    return network(*around, place=1, by_hand=by_hand, inputs=batch(5, 2, 4, 6))


def _embedding() -> Question:
    def backward(g: Tensor, words: Tensor, w: Tensor) -> tuple[None, Tensor]:
        return None, torch.zeros_like(w).index_add(0, words.flatten(), g.flatten(0, -2))

    torch.manual_seed(4)
    base = nn.Embedding(11, WIDTH)
    apply = function(F.embedding, backward)
    by_hand = layer(base, lambda self, x: apply(x, self.weight))
    words = torch.tensor([[1, 2, 3, 1], [4, 5, 2, 6], [7, 8, 9, 10]])
    return network(base, nn.Linear(WIDTH, CLASSES), place=0, by_hand=by_hand, inputs=words)


def _fused() -> Question:
    def backward(g: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        delta = g * (F.linear(x, w, b) > 0)
        return delta @ w, delta.T @ x, delta.sum(0)

    torch.manual_seed(4)
    apply = function(lambda x, w, b: F.linear(x, w, b).relu(), backward)
    first, last = nn.Linear(11, 7), nn.Linear(7, CLASSES)
    by_hand = layer(first, lambda self, x: apply(x, self.weight, self.bias))
    reference = nn.Sequential(first, nn.ReLU(), last)
    return Question(nn.Sequential(by_hand, last), reference, [batch(N, 11)])
