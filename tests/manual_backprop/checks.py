"""What every hand-written function must stand; each check takes one case and raises."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.manual_backprop.cases import Case

SEED = 7


def arguments(case: Case, dtype: torch.dtype = torch.float64) -> tuple[Any, ...]:
    return prepared(case, case.arguments(), dtype)


def prepared(case: Case, args: tuple[Any, ...], dtype: torch.dtype) -> tuple[Any, ...]:
    """Fresh leaves of ``dtype``, those requiring a gradient that the case differentiates."""
    return tuple(
        a.detach().to(dtype).requires_grad_(i not in case.constants)
        if isinstance(a, Tensor) and a.is_floating_point()
        else a
        for i, a in enumerate(args)
    )


def leaves(args: tuple[Any, ...]) -> list[Tensor]:
    return [a for a in args if isinstance(a, Tensor) and a.requires_grad]


def untouched(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Non-leaf copies that an in-place option may overwrite."""
    return tuple(a * 1 if isinstance(a, Tensor) and a.requires_grad else a for a in args)


def in_type(case: Case, dtype: torch.dtype) -> Case:
    """The case with its constant tensors (weights of classes and samples) in ``dtype``."""
    options = {
        key: value.to(dtype) if isinstance(value, Tensor) else value
        for key, value in case.options.items()
    }
    return Case(**{**vars(case), "options": options})


def gradients(function: Callable[..., Tensor], args: tuple[Any, ...], g: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(function(*untouched(args)), leaves(args), g))


def cotangents(like: Tensor) -> Iterator[Tensor]:
    """Incoming gradients of the shape of ``like``: never a uniform one alone."""
    generator = torch.Generator().manual_seed(SEED)
    random = torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like.dtype)
    yield random
    yield random * 1e-20
    if like.dim() > 0 and like.numel() > 0:
        one_hot = torch.zeros_like(like).flatten()
        one_hot[like.numel() // 2] = 1
        yield one_hot.view(like.shape)
        yield random.flatten()[0].expand(like.shape)
        yield random[:1].expand(like.shape)
    if like.dim() > 1:
        yield random.mT.contiguous().mT


def close(actual: Tensor, expected: Tensor, incoming: Tensor | None = None) -> None:
    """Equal but for float64 rounding, NaN and infinities in the same places.

    What cancels is rounded at the size of its terms: that of the incoming gradient.
    """
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    magnitudes = [t[t.isfinite()].abs() for t in (expected, incoming) if t is not None]
    scale = max(m.max().item() if m.numel() else 0.0 for m in magnitudes)
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-12 * scale, equal_nan=True)


def check_like_torch(case: Case) -> None:
    args = arguments(case)
    output = case.call(*untouched(args))
    close(output, case.call_reference(*untouched(args)))
    for g in cotangents(output):
        for actual, expected in zip(
            gradients(case.call, args, g), gradients(case.call_reference, args, g), strict=True
        ):
            close(actual, expected, incoming=g)


def check_gradcheck(case: Case) -> None:
    args = arguments(case)
    torch.autograd.gradcheck(lambda *a: case.call(*untouched(a)), args)
    torch.autograd.gradgradcheck(lambda *a: case.call(*untouched(a)), args)


def check_lower_precision(case: Case) -> None:
    """As near to the float64 truth as torch: within twice its error and a few roundings.

    In bfloat16 the formula is to be computed in float32 and rounded once, as torch does; rounding
    at every step shows in the mean of the error rather than in its maximum.
    """
    for dtype in (torch.float32, torch.bfloat16):
        exact = prepared(case, arguments(case, dtype), torch.float64)  # the same, rounded values
        args, typed = prepared(case, exact, dtype), in_type(case, dtype)
        case64 = in_type(typed, torch.float64)
        g = next(cotangents(typed.call(*untouched(args))))
        for manual, auto, truth in zip(
            gradients(typed.call, args, g),
            gradients(typed.call_reference, args, g),
            gradients(case64.call_reference, exact, g.double()),
            strict=True,
        ):
            assert manual.dtype == auto.dtype
            eps = torch.finfo(dtype).eps * truth.abs().max()
            error, torch_error = (manual - truth).abs(), (auto - truth).abs()
            assert error.max() <= 2 * torch_error.max() + 4 * eps, dtype
            if dtype == torch.bfloat16:
                assert error.mean() <= 1.5 * torch_error.mean() + 0.01 * eps, dtype


def check_special_values(case: Case) -> None:
    for make in case.special:
        args = prepared(case, make(), torch.float64)
        output = case.call(*untouched(args))
        close(output, case.call_reference(*untouched(args)))
        for g in cotangents(output):
            for actual, expected in zip(
                gradients(case.call, args, g), gradients(case.call_reference, args, g), strict=True
            ):
                close(actual, expected, incoming=g)
                if all(a.isfinite().all() for a in args):
                    assert not actual.isnan().any()


def check_layouts(case: Case) -> None:
    """Inputs that are not contiguous give the gradients of those that are."""
    args = arguments(case)
    g = next(cotangents(case.call(*untouched(args))))
    spread = tuple(
        torch.stack([a, a], -1)[..., 0].detach().requires_grad_(a.requires_grad) for a in args
    )
    # Without untouched(): its copies would be contiguous.
    inplace = case.options.get("inplace")
    actual = torch.autograd.grad(
        case.call(*(untouched(spread) if inplace else spread)), leaves(spread), g
    )
    for grad, expected in zip(actual, gradients(case.call, args, g), strict=True):
        close(grad, expected)


def check_empty_and_scalar(case: Case) -> None:
    if case.elementwise:
        shapes = [(0,), (0, 3), ()]
    elif case.name in ("softmax", "log_softmax") and case.arguments()[0].dim() == 2:
        shapes = [(0, 3), (3, 0)]
    elif case.name in ("linear", "activated_linear"):
        empty = [(a, (4, a[-1])) for a in ((0, 3), (2, 0, 3), (2, 0), (0, 0))]
        for shapes in empty:
            compare_on(case, tuple(torch.ones(s, dtype=torch.float64) for s in shapes))
        return
    else:
        return
    for shape in shapes:
        compare_on(case, (torch.full(shape, 0.5, dtype=torch.float64),))


def compare_on(case: Case, args: tuple[Any, ...]) -> None:
    args = prepared(case, args, torch.float64)
    output = case.call(*untouched(args))
    close(output, case.call_reference(*untouched(args)))
    g = torch.ones_like(output)
    for actual, expected in zip(
        gradients(case.call, args, g), gradients(case.call_reference, args, g), strict=True
    ):
        close(actual, expected)


def check_func_grad_and_vmap(case: Case) -> None:
    args = arguments(case)
    batched = tuple(torch.stack([a, a * 0.5 if a.is_floating_point() else a]) for a in args)
    batched = tuple(a.detach() for a in batched)
    positions = tuple(i for i, a in enumerate(args) if a.requires_grad)
    g = next(cotangents(case.call(*untouched(args))))

    def per_sample(function: Callable[..., Tensor]) -> Any:
        def loss(*a: Tensor) -> Tensor:
            return (function(*(x * 1 if x.is_floating_point() else x for x in a)) * g).sum()

        return torch.func.vmap(torch.func.grad(loss, argnums=positions))(*batched)

    for actual, expected in zip(
        per_sample(case.call), per_sample(case.call_reference), strict=True
    ):
        close(actual, expected)


def check_compile(case: Case) -> None:
    torch._dynamo.reset()
    args = arguments(case)
    g = next(cotangents(case.call(*untouched(args))))

    @torch.compile(fullgraph=True, backend="aot_eager")
    def compiled(*args: Any) -> Tensor:
        return case.call(*untouched(args))

    actual = torch.autograd.grad(compiled(*args), leaves(args), g)
    for grad, expected in zip(actual, gradients(case.call, args, g), strict=True):
        close(grad, expected)


def check_autocast(case: Case) -> None:
    """Under autocast the types are torch's, and the gradients come back in the inputs' type."""
    typed = in_type(case, torch.float32)
    args = arguments(typed, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = typed.call(*untouched(args))
        expected = typed.call_reference(*untouched(args))
    assert output.dtype == expected.dtype
    torch.testing.assert_close(output, expected)
    g = next(cotangents(output))
    for actual, reference in zip(
        torch.autograd.grad(output, leaves(args), g),
        torch.autograd.grad(expected, leaves(args), g),
        strict=True,
    ):
        assert actual.dtype == torch.float32
        torch.testing.assert_close(actual, reference)


def check_formula(case: Case) -> None:
    """Each gradient has its input's own shape and type; one that is not needed is not made.

    The engine would sum and cast silently, and drop what nobody needs, so the backward is called
    by hand.
    """
    args = arguments(case)
    for wanted in [None, *range(len(leaves(args)))]:
        only = tuple(leaves(args)) if wanted is None else (leaves(args)[wanted],)
        some = tuple(
            a if isinstance(a, Tensor) and any(a is w for w in only) else _detached(a) for a in args
        )
        output = case.call(*untouched(some))  # kept: the node lives as long as its output
        node = _hand_written_node(output)
        incoming = [torch.ones(m.shape, dtype=m.dtype) for m in node._input_metadata]
        grads = node.apply(*incoming)
        grads = grads if isinstance(grads, tuple) else (grads,)
        assert [grad is not None for grad in grads] == list(node.needs_input_grad)
        expected = [above._input_metadata[i] for above, i in node.next_functions if above]
        for grad, metadata in zip([g for g in grads if g is not None], expected, strict=True):
            assert tuple(grad.shape) == tuple(metadata.shape)
            assert grad.dtype == metadata.dtype


def _detached(a: Any) -> Any:
    return a.detach() if isinstance(a, Tensor) else a


def _hand_written_node(output: Tensor) -> Any:
    """The first node of ours in the graph above ``output``."""
    nodes: list[Any] = [output.grad_fn]
    while not type(nodes[0]).__name__.endswith("FunctionBackward"):
        nodes += [above for above, _ in nodes.pop(0).next_functions if above]
    return nodes[0]


class Operations(TorchDispatchMode):
    """The names of the operations that ran inside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


def check_written_by_hand(case: Case) -> None:
    """The backward calls none of PyTorch's backward kernels."""
    args = arguments(case)
    output = case.call(*untouched(args))
    with Operations() as operations:
        torch.autograd.grad(output, leaves(args), next(cotangents(output)))
    assert operations.names
    assert not [name for name in operations.names if "backward" in name]


def saved_bytes(function: Callable[..., Tensor], args: tuple[Any, ...]) -> int:
    """Bytes kept for the backward, a storage that several tensors share counted once."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    fresh = untouched(args)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = function(*fresh)
    assert output.requires_grad
    return sum(storages.values())


def check_saved_bytes(case: Case) -> None:
    args = arguments(case)
    assert saved_bytes(case.call, args) <= saved_bytes(case.call_reference, args)


CHECKS = [
    check_like_torch,
    check_gradcheck,
    check_lower_precision,
    check_special_values,
    check_layouts,
    check_empty_and_scalar,
    check_func_grad_and_vmap,
    check_compile,
    check_autocast,
    check_formula,
    check_written_by_hand,
    check_saved_bytes,
]
