"""PyTorch's own samples for these functions, with the gradients of PyTorch's own functions."""

import warnings

import pytest
import torch

from manual_backprop import functional
from tests.manual_backprop.cases import OURS_ALONE
from tests.manual_backprop.checks import close, cotangents

pytest.importorskip("expecttest", reason="torch.testing._internal needs expecttest")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations inside PyTorch's test code
    from torch.testing._internal.common_methods_invocations import op_db

# The complex variants of some functions are left out: ours refuse complex numbers.
#: PyTorch's own gradient at NaN depends on where in the tensor it stands: one thing in its vector
#: loop, another in the elements left over.
NAN_BY_PLACE = {
    f"nn.functional.{name}"
    for name in ["elu", "selu", "celu", "hardtanh", "relu6", "softshrink", "hardshrink"]
}
OPS = [
    op
    for op in op_db
    if op.name.removeprefix("nn.functional.") in functional.__all__
    and op.supports_dtype(torch.float64, "cpu")
]


def test_no_function_without_samples():
    names = {op.name.removeprefix("nn.functional.") for op in OPS}
    assert names == set(functional.__all__) - OURS_ALONE


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("samples", ["sample_inputs", "reference_inputs"])
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.formatted_name)
@pytest.mark.filterwarnings("ignore:.*broadcasting:UserWarning")  # some samples broadcast
@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")
@pytest.mark.filterwarnings("ignore:.*batchmean:UserWarning")
def test_samples(op, samples, dtype):
    manual = getattr(functional, op.name.removeprefix("nn.functional."))
    compared = 0
    for sample in getattr(op, samples)("cpu", dtype, requires_grad=True):
        args = tuple(as_leaf(a) for a in (sample.input, *sample.args))
        if op.name in NAN_BY_PLACE:
            args = (
                args[0].detach().nan_to_num(0, torch.inf, -torch.inf).requires_grad_(),
                *args[1:],
            )
        if op.name == "nn.functional.celu" and "alpha" in sample.kwargs:
            # PyTorch's backward takes α in float32.
            sample.kwargs["alpha"] = torch.tensor(sample.kwargs["alpha"]).item()
        outputs = [function(*args, **sample.kwargs) for function in (manual, op.op)]
        compare(*outputs, dtype)
        leaves = [a for a in args if isinstance(a, torch.Tensor) and a.requires_grad]
        if leaves and outputs[0].requires_grad:
            incoming = cotangents(outputs[0].detach())
            # The large samples are there for their sizes; one gradient each is enough.
            for g in [next(incoming)] if outputs[0].numel() > 10_000 else incoming:
                grads = [
                    torch.autograd.grad(o, leaves, g, retain_graph=True, allow_unused=True)
                    for o in outputs
                ]
                for actual, expected in zip(*grads, strict=True):
                    assert (actual is None) == (expected is None)
                    if expected is not None:
                        compare(actual, expected, dtype, g)
        compared += 1
    assert compared


def as_leaf(a):
    """A leaf in the sample's own layout: some samples are views made of the leaf they are."""
    return a.detach().requires_grad_(a.requires_grad) if isinstance(a, torch.Tensor) else a


def compare(actual, expected, dtype, incoming=None):
    if dtype == torch.float64:
        close(actual, expected, incoming)
    else:
        torch.testing.assert_close(actual, expected, equal_nan=True)
