"""Layers that keep less than autograd: each by hand, written out, and by the best that PyTorch has.

All three are modules with the same parameters, on the same input.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import manual_backprop
from compare.catalogue.recomputing import Couplings, GatedLinear
from manual_backprop.functional import attention_in_blocks, linear_cross_entropy
from torch_models.networks.gpt import BYTES, gpt
from torch_models.networks.transformer import Attention


@dataclass(frozen=True)
class Dimensions:
    """Of attention (1, heads, length, width), of logits, and of a transformer's other parts."""

    heads: int = 8
    length: int = 4096
    width: int = 64
    tokens: int = 4096
    features: int = 512
    classes: int = 32_000
    hidden: int = 1376  # of SwiGLU: 8/3 of the features
    depth: int = 4  # reversible blocks
    contexts: tuple[int, ...] = (256, 1024, 4096)  # of gpt, each with all the tokens in a batch


#: With several blocks and chunks, of which the last ones are smaller. No gpt: of its layers the one
#: that pays is judged by itself, and the whole takes a minute to judge (``--network gpt``).
SMALL = Dimensions(
    heads=2,
    length=300,
    width=8,
    tokens=300,
    features=16,
    classes=90,
    hidden=40,
    depth=2,
    contexts=(),
)


@dataclass(frozen=True)
class InThreeWays:
    """A layer in three ways."""

    title: str
    inputs: tuple[Tensor, ...]  # a gradient is taken to those that require one
    autograd: nn.Module
    manual: nn.Module
    best: nn.Module
    best_name: str


def cases(sizes: Dimensions, device: torch.device) -> dict[str, Callable[[], InThreeWays]]:
    """By the names in JSON; what a case needs is made when it is called."""
    return {
        "attention": partial(attention, sizes, device, None),
        "causal_attention": partial(attention, sizes, device, "causal"),
        "masked_attention": partial(attention, sizes, device, "masked"),
        "linear_cross_entropy": partial(classifier, sizes, device),
        "rms_norm": partial(normalization, sizes, device),
        "swiglu": partial(swiglu, sizes, device),
        "reversible": partial(reversible, sizes, device),
        **{
            f"gpt_{T}": partial(language_model, T, sizes.tokens // T, device)
            for T in sizes.contexts
        },
    }


class Called(nn.Module):
    """A function as a module, with what it is given beside the input."""

    def __init__(self, function: Callable[..., Tensor], **options: Any) -> None:
        super().__init__()
        self.function, self.options = function, options

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs, **self.options)


def written_out(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """Attention as its equation stands."""
    S = q @ k.mT / q.shape[-1] ** 0.5
    if attn_mask is not None:
        S = S.masked_fill(~attn_mask, -torch.inf)
    return S.softmax(-1) @ v


def attention(sizes: Dimensions, device: torch.device, kind: str | None) -> InThreeWays:
    """Of all keys, of those before, or of half of them drawn at random and the query's own."""
    L, shape = sizes.length, (1, sizes.heads, sizes.length, sizes.width)
    seen = torch.ones(L, L, dtype=torch.bool, device=device).tril()
    options: dict[str, Any] = {"is_causal": True} if kind == "causal" else {}
    of_autograd = {"attn_mask": seen} if kind == "causal" else {}
    if kind == "masked":
        drawn = torch.rand(L, L, generator=_generator(3)).to(device) < 0.5
        options = of_autograd = {"attn_mask": drawn | torch.eye(L, device=device).bool()}
    return InThreeWays(
        f"{kind or ''} attention in blocks {shape}".strip(),
        tuple(_normal(*shape, seed=s, device=device) for s in range(3)),
        Called(written_out, **of_autograd),
        Called(attention_in_blocks, **options),
        Called(F.scaled_dot_product_attention, **options),
        "F.scaled_dot_product_attention",
    )


class LinearUnderLoss(nn.Module):
    """Linear under a loss; the input is samples and their classes."""

    def __init__(self, weight: Tensor, loss: Callable[..., Tensor]) -> None:
        super().__init__()
        self.weight, self.loss = nn.Parameter(weight), loss

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.loss(x, self.weight, t)


def logits_and_loss(x: Tensor, weight: Tensor, t: Tensor) -> Tensor:
    """Of Linear and cross entropy one after the other."""
    return F.cross_entropy(F.linear(x, weight), t)


def classifier(sizes: Dimensions, device: torch.device) -> InThreeWays:
    """The last layer of a language model with its loss."""
    N, D, C = sizes.tokens, sizes.features, sizes.classes
    weight = 0.02 * _normal(C, D, seed=1, device=device).detach()
    best, name = partial(checkpoint, logits_and_loss, use_reentrant=False), "checkpoint"
    if hasattr(nn, "LinearCrossEntropyOptions"):  # PyTorch 2.15 has it
        options = nn.LinearCrossEntropyOptions()
        best = partial(F.linear_cross_entropy, options=options)
        name = "F.linear_cross_entropy"
    t = torch.randint(C, (N,), generator=_generator(2)).to(device)
    return InThreeWays(
        f"linear cross entropy {N:,} × {D} → {C:,}",
        (_normal(N, D, seed=0, device=device), t),
        LinearUnderLoss(weight, logits_and_loss),
        LinearUnderLoss(weight, linear_cross_entropy),
        LinearUnderLoss(weight, best),
        name,
    )


class WrittenOutNorm(nn.RMSNorm):
    """RMSNorm as its equation stands."""

    def forward(self, x: Tensor) -> Tensor:
        ε = torch.finfo(x.dtype).eps if self.eps is None else self.eps
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + ε) * self.weight


def normalization(sizes: Dimensions, device: torch.device) -> InThreeWays:
    """RMSNorm of tokens."""
    N, D = sizes.tokens, sizes.features
    return InThreeWays(
        f"RMSNorm {N:,} × {D}",
        (_normal(N, D, seed=0, device=device),),
        WrittenOutNorm(D).to(device),
        manual_backprop.RMSNorm(D).to(device),
        nn.RMSNorm(D).to(device),
        "F.rms_norm",
    )


class _Kept(torch.autograd.Function):
    """Nothing but a note of what is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g


class Checkpointed(nn.Module):
    """A module that keeps its input, where autograd does not see it, and is run again."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.module, _Kept.apply(x), use_reentrant=False)


def swiglu(sizes: Dimensions, device: torch.device) -> InThreeWays:
    """The upper half of a transformer's feed-forward layer."""
    N, H, D = sizes.tokens, sizes.hidden, sizes.features
    reference = GatedLinear(H, D).to(device)
    manual = manual_backprop.SwiGLULinear(H, D).to(device)
    manual.load_state_dict(reference.state_dict())
    return InThreeWays(
        f"SwiGLU with its Linear {N:,} × {H:,} → {D}",
        (_normal(N, 2 * H, seed=0, device=device),),
        reference,
        manual,
        Checkpointed(reference),
        "checkpoint",
    )


def reversible(sizes: Dimensions, device: torch.device) -> InThreeWays:
    """Blocks of two feed-forward layers, each with its norm in front, by PyTorch's own layers."""
    N, D = sizes.tokens, sizes.features // 2
    torch.manual_seed(0)
    layers: list[nn.Module] = [
        nn.Sequential(nn.LayerNorm(D), nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D))
        for _ in range(2 * sizes.depth)
    ]
    reference = Couplings(layers).to(device)
    manual = manual_backprop.Reversible(copy.deepcopy(list(reference.layers)))
    return InThreeWays(
        f"{sizes.depth} reversible blocks {N:,} × {2 * D}",
        (_normal(N, 2 * D, seed=0, device=device),),
        reference,
        manual,
        Couplings([Checkpointed(layer) for layer in reference.layers]),
        "checkpoint",
    )


def language_model(context: int, batch: int, device: torch.device) -> InThreeWays:
    """The whole network ``gpt``, its attention written out, in blocks, and PyTorch's own."""
    torch.manual_seed(0)
    best = gpt(nn, context=context).to(device)
    reference = gpt(nn, context=context).to(device)
    manual = gpt(manual_backprop, "blocks", context).to(device)
    for network in (reference, manual):
        network.load_state_dict(best.state_dict())
    for module in reference.modules():
        if isinstance(module, Attention):
            module.attend = causal_written_out
    text = torch.randint(BYTES, (batch, context), generator=_generator(0)).to(device)
    title = f"gpt, {batch} × {context:,} bytes"
    return InThreeWays(title, (text,), reference, manual, best, "F.scaled_dot_product_attention")


def causal_written_out(q: Tensor, k: Tensor, v: Tensor, is_causal: bool) -> Tensor:
    """Attention to the keys before, as its equation stands."""
    seen = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()
    return written_out(q, k, v, seen)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _normal(*shape: int, seed: int, device: torch.device) -> Tensor:
    return torch.randn(shape, generator=_generator(seed)).to(device).requires_grad_()


def ways(case: InThreeWays) -> Mapping[str, nn.Module]:
    """The three modules by name, autograd's first."""
    return {"autograd": case.autograd, "by hand": case.manual, case.best_name: case.best}
