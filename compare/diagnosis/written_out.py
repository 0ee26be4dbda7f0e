"""Functions that PyTorch has one kernel for, written out, so that each step can be looked at.

Within ``with WrittenOut()`` these definitions are what runs; where one does not take the arguments,
PyTorch's own does.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


def _softmax(x: Tensor, dim: int) -> Tensor:
    e = (x - x.detach().amax(dim, keepdim=True)).exp()
    return e / e.sum(dim, keepdim=True)


def _normalized(x: Tensor, dims: list[int], eps: float) -> Tensor:
    centred = x - x.mean(dims, keepdim=True)
    return centred * ((centred * centred).mean(dims, keepdim=True) + eps).rsqrt()


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None, dim: int = 1) -> Tensor:
    shape = [1] * x.dim()
    shape[dim] = -1
    x = x if weight is None else x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def _layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    x = _normalized(x, list(range(-len(normalized_shape), 0)), eps)
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _batch_norm(
    x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    if training:
        x = _normalized(x, [d for d in range(x.dim()) if d != 1], eps)
    else:
        x = _affine(_affine(x, None, -running_mean), (running_var + eps).rsqrt(), None)
    return _affine(x, weight, bias)


def _group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    grouped = _normalized(x.reshape(x.shape[0], num_groups, -1), [-1], eps)
    return _affine(grouped.reshape(x.shape), weight, bias)


def _instance_norm(
    x, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True,
    momentum=0.1, eps=1e-5,
):  # fmt: skip
    if not use_input_stats:
        raise NotImplementedError
    return _affine(_normalized(x, list(range(2, x.dim())), eps), weight, bias)


def _attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None):
    if dropout_p:
        raise NotImplementedError
    scores = query @ key.mT * (scale or 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return _softmax(scores, -1) @ value


def _gelu(x: Tensor, approximate: str = "none") -> Tensor:
    if approximate == "tanh":
        return 0.5 * x * (1 + (math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)).tanh())
    return x * (0.5 * (1 + (x / math.sqrt(2)).erf()))


def _glu(x: Tensor, dim: int = -1) -> Tensor:
    a, b = x.chunk(2, dim)
    return a * b.sigmoid()


def _prelu(x: Tensor, weight: Tensor) -> Tensor:
    return torch.where(x > 0, x, x * weight.reshape(-1, *[1] * (x.dim() - 2)))


def _bilinear(x, y, weight, bias=None):
    out = torch.stack([((x @ w) * y).sum(-1) for w in weight], -1)
    return out if bias is None else out + bias


def _cross_entropy(x, target, **options):
    return F.nll_loss(x - x.logsumexp(1, keepdim=True), target, **options)


def _loss(of: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Of one for each element, the mean or whatever is asked for."""

    def loss(a: Tensor, y: Tensor, *, reduction: str = "mean", **options: Any) -> Tensor:
        known = {k: v for k, v in options.items() if k not in ("size_average", "reduce")}
        each = of(a, y, **known)
        return {"mean": each.mean(), "sum": each.sum(), "none": each}[reduction]

    return loss


def _huber(a: Tensor, y: Tensor, delta: float = 1.0, weight: None = None) -> Tensor:
    d = a - y
    return torch.where(d.abs() <= delta, 0.5 * d * d, delta * (d.abs() - 0.5 * delta))


def _smooth_l1(a: Tensor, y: Tensor, beta: float = 1.0) -> Tensor:
    d = a - y
    return torch.where(d.abs() < beta, d * d / (2 * beta), d.abs() - 0.5 * beta)


def _logits(z: Tensor, y: Tensor, weight: None = None, pos_weight: None = None) -> Tensor:
    if weight is not None or pos_weight is not None:
        raise NotImplementedError
    return -y * F.logsigmoid(z) - (1 - y) * F.logsigmoid(-z)


_DEFINITIONS: dict[Any, Callable[..., Tensor]] = {
    F.softmax: lambda x, dim, **_: _softmax(x, dim),
    F.softmin: lambda x, dim, **_: _softmax(-x, dim),
    F.log_softmax: lambda x, dim, **_: x - x.logsumexp(dim, keepdim=True),
    torch.softmax: lambda x, dim, **_: _softmax(x, dim),
    Tensor.softmax: lambda x, dim, **_: _softmax(x, dim),
    F.layer_norm: _layer_norm,
    F.batch_norm: _batch_norm,
    F.group_norm: _group_norm,
    F.instance_norm: _instance_norm,
    F.scaled_dot_product_attention: _attention,
    F.gelu: _gelu,
    F.silu: lambda x, inplace=False: x * x.sigmoid(),
    F.mish: lambda x, inplace=False: x * (x.exp() + 1).log().tanh(),
    F.hardswish: lambda x, inplace=False: x * ((x + 3) / 6).clamp(0, 1),
    F.glu: _glu,
    F.prelu: _prelu,
    F.bilinear: _bilinear,
    F.cross_entropy: _cross_entropy,
    F.mse_loss: _loss(lambda a, y, weight=None: (a - y).square()),
    F.huber_loss: _loss(_huber),
    F.smooth_l1_loss: _loss(_smooth_l1),
    F.soft_margin_loss: _loss(lambda z, y: ((-y * z).exp() + 1).log()),
    F.binary_cross_entropy: _loss(
        lambda a, y, weight=None: -(y * a.log() + (1 - y) * (1 - a).log())
    ),
    F.binary_cross_entropy_with_logits: _loss(_logits),
}


class WrittenOut(TorchFunctionMode):
    """Runs the definitions in place of the kernels.

    ``arguments`` has what each node of the graph was computed from, where that is one tensor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.arguments: dict[Any, Tensor] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        definition = _DEFINITIONS.get(func)
        if definition is not None:
            try:
                with self:
                    return definition(*args, **(kwargs or {}))
            except Exception:  # arguments that it is not written for
                pass
        found = func(*args, **(kwargs or {}))
        tensors = [x for x in args if isinstance(x, Tensor)]
        if isinstance(found, Tensor) and found.grad_fn is not None and len(tensors) == 1:
            self.arguments.setdefault(found.grad_fn, tensors[0].detach())
        return found
