"""Who computes attention in blocks: PyTorch's operations, or the kernels written in Triton."""

import importlib.util
import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

#: More features in a head need blocks that are too small for tensor cores.
MOST_FEATURES = 128

#: Of a block of queries or keys; all that a program keeps close at hand then takes 66 kB at most.
BLOCK_BYTES = 2**13

#: While a block is computed, the next one is loaded; a product and a sum may be one operation.
COMPILED_WITH = {"num_stages": 2, "enable_fp_fusion": True}


def by_kernels(backend: str | None, name: str, *tensors: Tensor) -> bool:
    """Whether the kernels are to compute it, for query, key and value.

    Never where PyTorch traces or transforms (``torch.compile``, ``torch.func``, forward mode), as
    it cannot see into a kernel.

    Raises:
        ValueError: if ``backend`` is none of ``None``, ``"torch"`` and ``"triton"``, or asks for
            kernels that cannot compute this.
    """
    if backend not in (None, "torch", "triton"):
        raise ValueError(f"{name}: expected a backend 'torch' or 'triton', got {backend!r}")
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    if backend == "torch" or (backend is None and not tensors[0].is_cuda):
        return False
    reason = _against_kernels(*tensors)
    if reason and backend == "triton":
        raise ValueError(f"{name}: backend='triton' {reason}")
    return not reason and forward_ad._current_level < 0


def _against_kernels(*tensors: Tensor) -> str:
    types = {t.dtype for t in tensors}
    features = max(t.shape[-1] for t in tensors)
    if importlib.util.find_spec("triton") is None:
        return "needs Triton, which is not installed: pip install triton, or leave out backend"
    if len(types) > 1 or not types <= {torch.float32, torch.float16, torch.bfloat16}:
        found = ", ".join(str(t.dtype) for t in tensors)
        return f"expects float32, float16 or bfloat16, the same for all tensors, got {found}"
    if features > MOST_FEATURES:
        return f"expects heads of at most {MOST_FEATURES} features, got {features}"
    if not all(t.is_cuda for t in tensors) and not _kernels().INTERPRETED:
        return (
            f"expects tensors on a GPU, got {tensors[0].device}: move them there, leave out "
            "backend, or set TRITON_INTERPRET=1 before the start to run the kernels on the CPU, "
            "slowly, as a test"
        )
    return ""


def _kernels() -> Any:
    """Their module; it needs Triton, which is not imported before."""
    from manual_backprop.sequence import attention_kernels

    return attention_kernels


def attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    """o (…, L, V) and λ (…, L, 1), in float32; the mask has the shape (…, L, S)."""
    call = _Call(query, key, value, mask, is_causal, scale)
    o, λ = call.empty(query, value), call.empty(query)
    call(_kernels().attend, query, call.sequence(o), λ)
    return o, λ


def differentiate(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    grad_o: Tensor,
    λ: Tensor,
    D: Tensor,
    is_causal: bool,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """∂L/∂q, ∂L/∂k and ∂L/∂v, each of its tensor's shape and type."""
    call = _Call(query, key, value, mask, is_causal, scale)
    above = call.sequence(grad_o), λ, D.contiguous()
    of_query, of_key, of_value = (call.empty(t, t) for t in (query, key, value))
    call(_kernels().differentiate_query, query, *above, call.sequence(of_query))
    call(_kernels().differentiate_key, key, *above, call.sequence(of_key), call.sequence(of_value))
    # Heads and batches that share a tensor have each had a gradient of their own.
    of_all = (of_query, query), (of_key, key), (of_value, value)
    of_query, of_key, of_value = (of.sum_to_size(t.shape).to(t.dtype) for of, t in of_all)
    return of_query, of_key, of_value


class _Call:
    """What all kernels are called with, and how many programs of each there are."""

    def __init__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        is_causal: bool,
        scale: float,
    ) -> None:
        tensors = [query, key, value, *([] if mask is None else [mask])]
        self.lead = torch.broadcast_shapes(*(t.shape[:-2] for t in tensors))
        self.N, self.H = math.prod(self.lead[:-1]), math.prod(self.lead[-1:])
        self.query, self.tensors = query, [self.sequence(t) for t in tensors]
        if mask is None:
            self.tensors.append(None)
        E, V = query.shape[-1], value.shape[-1]
        self.numbers = (query.shape[-2], key.shape[-2], E, V, self.H), scale, is_causal
        padded = [max(16, 1 << (n - 1).bit_length()) for n in (E, V)]
        self.size = min(64, max(16, BLOCK_BYTES // (max(padded) * query.element_size())))
        exact = torch.backends.cuda.matmul.fp32_precision != "tf32"
        self.compiled_for = self.size, *padded, "ieee" if exact else "tf32"

    def sequence(self, t: Tensor) -> Any:
        """The tensor as the kernels take it: batches, heads, places, features; and its strides."""
        t = t.expand(*self.lead, *t.shape[-2:]).reshape(self.N, self.H, *t.shape[-2:])
        return t, *t.stride()

    def empty(self, places: Tensor, features: Tensor | None = None) -> Tensor:
        """Memory for as many places and features as these have; for one number a place if None."""
        size = 1 if features is None else features.shape[-1]
        shape = *self.lead, places.shape[-2], size
        return self.query.new_empty(shape, dtype=torch.float32)

    def __call__(self, kernel: Any, over: Tensor, *arguments: Any) -> None:
        """Run it, a program for each block of this tensor's places."""
        programs = self.N * self.H * math.ceil(over.shape[-2] / self.size)
        with torch.cuda.device_of(self.query):
            kernel[(programs,)](
                *self.tensors, *arguments, *self.numbers, *self.compiled_for, **COMPILED_WITH
            )
