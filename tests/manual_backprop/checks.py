"""What every hand-written function must stand; each check takes one case and raises."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

from compare.trial.given import map_tensors, tensors_in
from tests.manual_backprop.calls import (
    SEED,
    Arguments,
    Function,
    all_tensors,
    arguments,
    close,
    compare,
    cotangents,
    gradients,
    in_type,
    incoming,
    leaves,
    outputs,
    prepared,
    same_random_numbers,
    untouched,
    with_leaves,
)
from tests.manual_backprop.cases import Case, in_full


def check_like_torch(case: Case) -> None:
    compare(case, arguments(case))


def check_special_values(case: Case) -> None:
    args = arguments(case)
    found = compare(case, args)
    if all(a.isfinite().all() for a in tensors_in(args)):
        assert not any(gradient.isnan().any() for gradient in found)


def check_gradcheck(case: Case) -> None:
    """Each derivative of a small case; others, and all second ones, along a random direction."""
    args = arguments(case)

    def run(*values: Tensor) -> tuple[Tensor, ...]:
        return tuple(outputs(case.call, untouched(with_leaves(args, values))))

    along_one = case.given is not in_full(case.entry)
    torch.autograd.gradcheck(run, leaves(args), fast_mode=along_one)
    torch.autograd.gradgradcheck(run, leaves(args), fast_mode=True)


def check_lower_precision(case: Case) -> None:
    """As near to the float64 truth as torch: within twice its error and a few roundings.

    In bfloat16 the formula is to be computed in float32 and rounded once, as torch does; rounding
    at every step shows in the mean of the error rather than in its maximum.
    """
    for dtype in (torch.float32, torch.bfloat16):
        exact = prepared(case, arguments(case, dtype), torch.float64)  # the same, rounded values
        args, typed = prepared(case, exact, dtype), in_type(case, dtype)
        case64 = in_type(typed, torch.float64)
        try:
            gs = next(incoming(typed, args))
            reference = gradients(typed.call_reference, args, gs)
        except NotImplementedError:  # PyTorch has no kernel for this type
            continue
        for manual, auto, truth in zip(
            gradients(typed.call, args, gs),
            reference,
            gradients(case64.call_reference, exact, [g.double() for g in gs]),
            strict=True,
        ):
            assert manual.dtype == auto.dtype
            eps = torch.finfo(dtype).eps * truth.abs().max()
            error, torch_error = (manual - truth).abs(), (auto - truth).abs()
            assert error.max() <= 2 * torch_error.max() + 4 * eps, dtype
            if dtype == torch.bfloat16:
                assert error.mean() <= 1.5 * torch_error.mean() + 0.01 * eps, dtype


def check_layouts(case: Case) -> None:
    """Inputs that are not contiguous give the gradients of those that are."""
    args = arguments(case)
    gs = next(incoming(case, args))
    spread = map_tensors(
        lambda a: torch.stack([a, a], -1)[..., 0].detach().requires_grad_(a.requires_grad), args
    )
    # Without untouched(): its copies would be contiguous.
    inplace = case.given.options.get("inplace")
    found = outputs(case.call, untouched(spread) if inplace else spread)
    actual = torch.autograd.grad(found, leaves(spread), gs)
    for grad, expected in zip(actual, gradients(case.call, args, gs), strict=True):
        close(grad, expected)


def check_func_grad_and_vmap(case: Case) -> None:
    args = arguments(case)
    gs = next(incoming(case, args))
    tensors = all_tensors(args)
    positions = tuple(i for i, a in enumerate(tensors) if a.requires_grad)
    batched = [torch.stack([a, a * 0.5 if a.is_floating_point() else a]).detach() for a in tensors]

    def one_by_one(one: Function, **_: Any) -> Function:
        return lambda *batched: map(torch.stack, zip(*map(one, *batched), strict=True))

    def per_sample(function: Function, mapped: Function = torch.func.vmap) -> Any:
        def loss(*values: Tensor) -> Tensor:
            remaining = iter(values)
            copies = map_tensors(lambda _: next(remaining).clone(), args)
            found = tensors_in(function(*copies))
            return sum((y * g).sum() for y, g in zip(found, gs, strict=True))

        with same_random_numbers():
            one = torch.func.grad(loss, argnums=positions)
            return mapped(one, randomness="different")(*batched)

    try:
        reference = per_sample(case.call_reference)
    except (RuntimeError, UserWarning):  # PyTorch has no rule for a batch of it
        reference = per_sample(case.call_reference, one_by_one)
    for actual, expected in zip(per_sample(case.call), reference, strict=True):
        close(actual, expected)


#: PyTorch differentiates its forward mode of these as if mean and deviation were constants.
CONSTANT_STATISTICS = {"batch_norm", "layer_norm", "group_norm", "instance_norm"}


def check_forward_mode(case: Case) -> None:
    """The tangent is PyTorch's, also differentiated again; dual numbers give it as jvp does."""
    args = arguments(case)
    points = [leaf.detach() for leaf in leaves(args)]
    with same_random_numbers():
        directions = [torch.randn(p.shape, dtype=p.dtype) for p in points]

    def moved(function: Function, *values: Tensor) -> tuple[Tensor, ...]:
        def at(*values: Tensor) -> tuple[Tensor, ...]:
            with same_random_numbers():
                copies = untouched(with_leaves(args, values))
                return tuple(tensors_in(function(*copies)))

        return torch.func.jvp(at, values, tuple(directions))[1]

    def tangent(function: Function) -> list[Tensor]:
        def of_square(*values: Tensor) -> Tensor:
            return sum((m * m).sum() for m in moved(function, *values))

        first = list(moved(function, *points))
        if case.name in CONSTANT_STATISTICS:
            return first
        return [*first, *torch.func.grad(of_square, tuple(range(len(points))))(*points)]

    try:
        expected = tangent(case.call_reference)
    except (NotImplementedError, RuntimeError):  # PyTorch has no forward mode for it
        expected = None
    found = tangent(case.call)
    if case.name in CONSTANT_STATISTICS:
        moving = [p.clone().requires_grad_() for p in points]
        torch.autograd.gradcheck(lambda *values: moved(case.call, *values), moving, fast_mode=True)
    for actual, right in zip(found, expected or found, strict=True):
        close(actual, right, *directions)
    with forward_ad.dual_level(), same_random_numbers():
        duals = [forward_ad.make_dual(p, d) for p, d in zip(points, directions, strict=True)]
        copies = untouched(with_leaves(args, duals))
        for output, right in zip(tensors_in(case.call(*copies)), found, strict=False):
            close(forward_ad.unpack_dual(output).tangent, right)


def check_compile(*cases: Case) -> None:
    """All of them in one graph: starting the compiler takes longer than compiling most of them."""
    torch._dynamo.reset()
    each = tuple(arguments(case) for case in cases)
    gs = [g for case, args in zip(cases, each, strict=True) for g in next(incoming(case, args))]

    def call(*each: Arguments) -> list[Any]:
        return [case.call(*args) for case, args in zip(cases, each, strict=True)]

    compiled = torch.compile(
        lambda *each: call(*map(untouched, each)), fullgraph=True, backend="aot_eager"
    )
    actual = torch.autograd.grad(outputs(compiled, each), leaves(each), gs)
    for grad, expected in zip(actual, gradients(call, each, gs), strict=True):
        close(grad, expected)


def check_autocast(case: Case) -> None:
    """Under autocast the types are torch's, and the gradients come back in the inputs' type."""
    typed = in_type(case, torch.float32)
    args = arguments(typed, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = (
            outputs(function, untouched(args)) for function in (typed.call, typed.call_reference)
        )
    torch.testing.assert_close(found, expected)  # types, too
    gs = [next(cotangents(output.detach(), SEED + i)) for i, output in enumerate(found)]
    for actual, reference in zip(
        torch.autograd.grad(found, leaves(args), gs),
        torch.autograd.grad(expected, leaves(args), gs),
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
    for wanted in [leaves(args), *([leaf] for leaf in leaves(args))]:
        some = with_leaves(
            args, [a if any(a is w for w in wanted) else a.detach() for a in leaves(args)]
        )
        found = outputs(case.call, untouched(some))  # kept: the node lives as long as its outputs
        node = _hand_written_node(found)
        ones = [torch.ones(m.shape, dtype=m.dtype) for m in node._input_metadata]
        grads = node.apply(*ones)
        grads = grads if isinstance(grads, tuple) else (grads,)
        assert [grad is not None for grad in grads] == list(node.needs_input_grad)
        expected = [above._input_metadata[i] for above, i in node.next_functions if above]
        for grad, metadata in zip([g for g in grads if g is not None], expected, strict=True):
            assert tuple(grad.shape) == tuple(metadata.shape)
            assert grad.dtype == metadata.dtype


def _hand_written_node(found: list[Tensor]) -> Any:
    """The first node of ours in the graph above the outputs."""
    nodes: list[Any] = [output.grad_fn for output in found if output.grad_fn]
    while not type(nodes[0]).__name__.endswith("FunctionBackward"):
        nodes += [above for above, _ in nodes.pop(0).next_functions if above]
    return nodes[0]


class Operations(TorchDispatchMode):
    """The names of the operations that ran inside, and the most numbers that one gave."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.__name__)
        outputs = func(*args, **(kwargs or {}))
        self.largest = max(self.largest, *(t.numel() for t in all_tensors(outputs)), 0)
        return outputs


def check_written_by_hand(case: Case) -> None:
    """The backward calls none of PyTorch's backward kernels."""
    args = arguments(case)
    gs = next(incoming(case, args))
    found = outputs(case.call, untouched(args))
    with Operations() as operations:
        torch.autograd.grad(found, leaves(args), gs)
    assert operations.names
    assert not [name for name in operations.names if "backward" in name]


def saved_bytes(function: Function, args: Arguments) -> int:
    """Bytes kept for the backward, a storage that several tensors share counted once."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    fresh = untouched(args)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        found = outputs(function, fresh)
    assert any(output.requires_grad for output in found)
    return sum(storages.values())


def check_saved_bytes(case: Case) -> None:
    args = arguments(case)
    assert saved_bytes(case.call, args) <= saved_bytes(case.call_reference, args)


#: Beside ``check_compile``, which takes seconds, and takes several cases at once.
CHECKS = [
    check_like_torch,
    check_gradcheck,
    check_lower_precision,
    check_layouts,
    check_func_grad_and_vmap,
    check_forward_mode,
    check_autocast,
    check_formula,
    check_written_by_hand,
    check_saved_bytes,
]
