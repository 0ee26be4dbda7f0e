"""What is planted in memory, beside kinks, and in layers that nobody sees."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from compare.catalogue.host import N, batch, between
from compare.catalogue.rewritten import layer
from compare.catalogue.specimen import Specimen
from compare.diagnosis.mistake import Mistake
from compare.trial.question import Question


class _Tanh(torch.autograd.Function):
    """Right, but for what its subclasses write over, past the version counter."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        a = x.tanh()
        ctx.save_for_backward(x, a)
        return a

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        _, a = ctx.saved_tensors
        return g * (1 - a * a)


class _OverIncoming(_Tanh):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        grad_x = _Tanh.backward(ctx, g)
        if g.is_contiguous():
            g.data.copy_(grad_x)
        return grad_x


class _OverOutput(_Tanh):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        grad_x = _Tanh.backward(ctx, g)
        ctx.saved_tensors[1].data.copy_(grad_x)
        return grad_x


class _OverInput(_Tanh):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        a = _Tanh.forward(ctx, x)
        x.data.copy_(a)
        return a


class _OverScratch(_Tanh):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.scratch = x.tanh()
        return ctx.scratch.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        ctx.scratch.square_().neg_().add_(1)
        return g * ctx.scratch


class _OneBuffer(_Tanh):
    """What each call saves is in the same memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        a = x.tanh()
        ctx.buffer = _BUFFERS.setdefault((x.shape, x.dtype), torch.empty_like(a))
        ctx.buffer.data.copy_(a)
        return a

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * (1 - ctx.buffer * ctx.buffer)


_BUFFERS: dict[tuple[torch.Size, torch.dtype], Tensor] = {}


def as_if_contiguous(g: Tensor) -> Tensor:
    """What a kernel reads that looks at no strides; as it is where that would leave its memory."""
    behind = g.untyped_storage().nbytes() // g.element_size() - g.storage_offset()
    if behind < g.numel():
        return g
    return g.as_strided((g.numel(),), (1,), g.storage_offset()).reshape(g.shape)


class _Unstrided(_Tanh):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return _Tanh.backward(ctx, as_if_contiguous(g))


def _planted(function: type[_Tanh]) -> Callable[[], Question]:
    def build() -> Question:
        question = between(nn.Tanh()).unchanged()
        question.manual[1] = layer(question.reference[1], lambda self, x: function.apply(x))
        return question

    return build


def _beside_the_kink() -> Question:
    return between(nn.ReLU()).plant(lambda g, z, a: g * (z > -1e-3))


def _overflowing() -> Question:
    return between(nn.Softplus()).plant(lambda g, z, a: g * z.exp() / (1 + z.exp()))


class _BeforeZeros(nn.Module):
    """As a residual branch begins: its last layer gives 0 to all that lies before it."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.first, self.last, self.scale = nn.Linear(11, 6), nn.Linear(6, 11), scale
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor) -> Tensor:
        z = self.first(x)
        return x + self.last((z - self.scale * z).detach() + self.scale * z)


def _before_zeros() -> Question:
    torch.manual_seed(5)
    return Question(_BeforeZeros(3.0), _BeforeZeros(1.0), (batch(N, 11),))


def _row_maximum(formula: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], Question]:
    """Of tied elements none, all or a share each; ``formula(g, tied)``."""

    class Maximum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.amax(1, keepdim=True)

    def of_x(g: Tensor, x: Tensor, a: Tensor) -> Tensor:
        return formula(g, (x == a).to(x.dtype))

    def build() -> Question:
        host = replace(between(nn.Identity()), row=lambda: [nn.Linear(11, 6), Maximum()])
        return host.plant(of_x)

    return build


class _Block(nn.Module):
    def __init__(self, *, again: bool) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
        self.again = again

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.inner, x, use_reentrant=True) if self.again else self.inner(x)


def _checkpointed() -> Question:
    question = between(_Block(again=False)).unchanged()
    question.manual[1].again = True
    return question


class _Attention(nn.Module):
    def __init__(self, attend: Callable[..., Tensor]) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(11, 6) for _ in range(3))
        self.attend = attend

    def forward(self, x: Tensor) -> Tensor:
        return self.attend(self.q(x), self.k(x), self.v(x))


class _Flash(torch.autograd.Function):
    """Attention that keeps the log-sum-exp alone and computes the scores again."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        lse = scores.logsumexp(-1, keepdim=True)
        out = (scores - lse).exp() @ v
        ctx.save_for_backward(q, k, v, out, lse)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, ...]:
        q, k, v, out, lse = ctx.saved_tensors
        scale = 1 / math.sqrt(q.shape[-1])
        p = (q @ k.mT * scale - lse).exp()
        delta = p * (g @ v.mT - (g * out).sum(-1, keepdim=True)) * scale
        return delta @ k, delta.mT @ q, p.mT @ g


def _attention(attend: Callable[..., Tensor]) -> Callable[[], Question]:
    def written_out(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v

    def build() -> Question:
        torch.manual_seed(4)
        inputs = (batch(2, N, 11),)
        return Question(_Attention(attend), _Attention(written_out), inputs)

    return build


def _writes(what: str, function: type[_Tanh], gradient: str) -> Specimen:
    names = frozenset({Mistake.WRITTEN_OVER})
    return Specimen(f"Memory: {what}", _planted(function), (("1", gradient),), names)


SPECIMENS = [
    _writes("incoming gradient overwritten", _OverIncoming, "the incoming gradient"),
    _writes("output overwritten", _OverOutput, "its output"),
    _writes("input overwritten", _OverInput, "input"),
    _writes("one buffer shared by all calls", _OneBuffer, "what it saved"),
    _writes("saved scratch buffer overwritten", _OverScratch, "what it saved"),
    Specimen(
        "Memory: strides ignored",
        _planted(_Unstrided),
        (("1", "input"),),
        frozenset({Mistake.READ_AS_CONTIGUOUS}),
    ),
    Specimen(
        "ReLU: wrong mask next to the kink",
        _beside_the_kink,
        (("1", "input"),),
        frozenset({Mistake.IN_A_PART}),
    ),
    Specimen(
        "Softplus: eˣ overflows",
        _overflowing,
        (("1", "input"),),
        frozenset({Mistake.OVERFLOW}),
    ),
    Specimen(
        "Residual branch: bug hidden by zero weights",
        _before_zeros,
        (("", "input"),),
        frozenset({Mistake.FACTOR}),
    ),
    Specimen(
        "Maximum: no gradient at ties",
        _row_maximum(lambda g, tied: g * tied * (tied.sum(1, True) == 1)),
        (("1", "input"),),
        frozenset({Mistake.NO_SUBGRADIENT}),
    ),
    Specimen(
        "Maximum: full gradient to every tied element",
        _row_maximum(lambda g, tied: g * tied),
        (("1", "input"),),
        frozenset({Mistake.NO_SUBGRADIENT}),
    ),
    Specimen(
        "Maximum: shared by tied elements",
        _row_maximum(lambda g, tied: g * tied / tied.sum(1, keepdim=True)),
    ),
    Specimen("Checkpointed layers", _checkpointed),
    Specimen("Attention: PyTorch's own", _attention(F.scaled_dot_product_attention)),
    Specimen("Attention: scores computed again", _attention(_Flash.apply)),
]
