"""Attention in blocks by PyTorch's operations and by the kernels, against autograd in float64.

Without a GPU the kernels run in Triton's interpreter, in a process that has it from its start.
"""

import math
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context

import pytest
import torch

from compare.catalogue.values import normal
from manual_backprop.functional import attention_in_blocks
from manual_backprop.sequence import attention_backend

#: Query, key (the value has 5 features), options. Blocks have 32 or 64 places, 16 features or more.
CASES = {
    "no multiple of a block": ((40, 20), (2, 70, 20), {}),
    "causal, more queries": ((70, 16), (40, 16), {"is_causal": True}),
    "causal, more keys": ((40, 16), (70, 16), {"is_causal": True}),
    "masked, one sees nothing": ((2, 1, 40, 3), (33, 3), {"attn_mask": normal(40, 33) > 0}),
    "added, shared by the queries": ((40, 8), (2, 33, 8), {"attn_mask": normal(2, 1, 33).float()}),
    "shared heads": ((1, 2, 33, 8), (1, 1, 33, 8), {"enable_gqa": True, "scale": 0.7}),
    "a single key": ((2, 3), (1, 3), {}),
}
CASES["masked, one sees nothing"][2]["attn_mask"][7] = False


def written_out(q, k, v, attn_mask=None, is_causal=False, scale=None, enable_gqa=False):
    """In PyTorch's words; o = 0 where a query sees nothing."""
    if enable_gqa:
        k, v = (t.repeat_interleave(q.shape[-3] // k.shape[-3], -3) for t in (k, v))
    S = q @ k.mT * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(S.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None:
        M = attn_mask.double() if attn_mask.is_floating_point() else attn_mask
        S = S.masked_fill(~M, -torch.inf) if M.dtype == torch.bool else S + M
    return S.softmax(-1).nan_to_num() @ v


def numbers(case, dtype, backend=None, device="cpu", twice=False):
    """The output and the gradients as float64, of autograd for no backend; ``twice``: of those."""
    query, key, options = CASES[case]
    shapes = query, key, (*key[:-1], 5)
    args = [normal(*s, seed=i).to(device, dtype) for i, s in enumerate(shapes)]
    g = normal(*query[:-1], 5, seed=3)
    if backend is None:
        args, function = [t.double() for t in args], written_out
    else:
        moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in options.items()}
        options, g = {**moved, "backend": backend}, g.to(device, dtype)
        function = attention_in_blocks
    # Features apart in memory, as heads are that were cut from one product.
    args = [t.mT.contiguous().mT.requires_grad_() for t in args]
    o = function(*args, **options)
    found = torch.autograd.grad((o * g).sum(), args, create_graph=twice)
    if twice:
        found = torch.autograd.grad(sum((t * t).sum() for t in found), args)
    return [t.detach().double().cpu().tolist() for t in (o, *found)]


def has_kernels():
    return "manual_backprop.sequence.attention_kernels" in sys.modules


@pytest.fixture(scope="module")
def interpreter():
    """Another process, in which Triton interprets its kernels."""
    if find_spec("triton") is None:
        pytest.skip("needs Triton")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRITON_INTERPRET", "1")
            pool.has_kernels = pool.submit(has_kernels).result()
        yield pool


def interpreted(interpreter, *args, **kwargs):
    try:
        return interpreter.submit(numbers, *args, "triton", **kwargs).result()
    except Exception as error:
        if "only 0-dimensional arrays" in str(error):
            pytest.skip("this Triton's interpreter cannot count loops with this NumPy")
        raise


@pytest.fixture(params=["torch", "triton", pytest.param("gpu", marks=pytest.mark.gpu)])
def backend(request):
    """``numbers`` by PyTorch's operations, and by the kernels."""
    if request.param == "torch":
        return lambda *args, **kwargs: numbers(*args, "torch", **kwargs)
    if request.param == "gpu":
        return lambda *args, **kwargs: numbers(*args, "triton", "cuda", **kwargs)
    return partial(interpreted, request.getfixturevalue("interpreter"))


def near(found, expected, dtype, within=4):
    for actual, right in zip(found, expected, strict=True):
        actual, right = torch.tensor(actual), torch.tensor(right)
        assert actual.shape == right.shape
        assert (actual - right).norm() <= within * torch.finfo(dtype).eps * (1 + right.norm())


@pytest.mark.parametrize(
    ("case", "dtype"),
    [(case, torch.float32) for case in CASES]
    + [("causal, more keys", dtype) for dtype in (torch.float16, torch.bfloat16)],
    ids=str,
)
def test_gradients(backend, case, dtype):
    near(backend(case, dtype), numbers(case, dtype), dtype)


def test_second_derivative(backend):
    args = "causal, more keys", torch.float32
    near(backend(*args, twice=True), numbers(*args, twice=True), torch.float32, within=16)


class NoGPU:
    """What Triton asks of a GPU before it compiles for it."""

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0

    def get_current_target(self):
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", 80, 32)


@pytest.mark.exhaustive
@pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton")
@pytest.mark.parametrize("mask", [None, torch.bool, torch.float32], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_kernels_compile(dtype, mask, monkeypatch, tmp_path):
    """To a GPU's machine code, for the arguments that they are called with, but they do not run."""
    from triton.runtime import driver
    from triton.runtime.jit import JITFunction

    compiled, run = [], JITFunction.run

    def compile_only(self, *args, warmup, **kwargs):
        compiled.append(run(self, *args, warmup=True, **kwargs))

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(JITFunction, "run", compile_only)
    monkeypatch.setattr(driver, "_active", NoGPU())
    q, k, v = (torch.ones(2, n, 20, dtype=dtype) for n in (40, 33, 33))
    M = None if mask is None else torch.ones(33, dtype=mask).expand(40, 33)
    o, λ = attention_backend.attend(q, k, v, M, mask is None, 0.5)
    attention_backend.differentiate(q, k, v, M, o, λ, λ, mask is None, 0.5)
    assert [kernel.name for kernel in compiled] == [
        "attend",
        "differentiate_query",
        "differentiate_key",
    ]
    assert all("cubin" in kernel.asm and kernel.metadata.shared < 67_000 for kernel in compiled)


@pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton")
@pytest.mark.parametrize(
    ("says", "dtype", "features", "backend"),
    [
        ("'torch' or 'triton', got 'cuda'", torch.float32, 3, "cuda"),
        ("float32, float16 or bfloat16, .* got torch.float64", torch.float64, 3, "triton"),
        ("at most 128 features, got 129", torch.float32, 129, "triton"),
        ("on a GPU, got cpu: .* TRITON_INTERPRET=1", torch.float32, 3, "triton"),
    ],
)
def test_what_the_kernels_cannot_compute(says, dtype, features, backend):
    with pytest.raises(ValueError, match=f"attention_in_blocks: .*{says}"):
        attention_in_blocks(*[torch.ones(2, features, dtype=dtype)] * 3, backend=backend)


def test_without_triton(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs Triton, which is not installed"):
        attention_in_blocks(*[torch.ones(2, 3)] * 3, backend="triton")


def test_no_kernel_is_imported_before_it_is_used(interpreter):
    assert not interpreter.has_kernels
