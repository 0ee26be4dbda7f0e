"""PyTorch's own samples for these functions, with the gradients of PyTorch's own functions."""

import random
import warnings

import pytest
import torch

from compare.trial.given import tensors_in
from manual_backprop import functional
from tests.manual_backprop.calls import all_tensors, close, cotangents
from tests.manual_backprop.cases import OURS_ALONE

pytest.importorskip("expecttest", reason="torch.testing._internal needs expecttest")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations inside PyTorch's test code
    from torch.testing._internal.common_methods_invocations import op_db, wrapper_set_seed

exhaustive = pytest.mark.exhaustive
#: PyTorch's own gradient at NaN depends on where in the tensor it stands: one thing in its vector
#: loop, another in the elements left over.
NAN_BY_PLACE = {
    f"nn.functional.{name}"
    for name in ["elu", "selu", "celu", "hardtanh", "relu6", "softshrink", "hardshrink"]
}
# The complex variants of some functions are left out: ours refuse complex numbers. What is ours
# alone may have a namesake in newer releases, with other arguments.
OPS = [
    op
    for op in op_db
    if op.name.removeprefix("nn.functional.") in set(functional.__all__) - OURS_ALONE
    and op.supports_dtype(torch.float64, "cpu")
]


#: Functions that PyTorch has no samples of.
WITHOUT_SAMPLES = {"dropout1d"}


def test_no_function_without_samples():
    names = {op.name.removeprefix("nn.functional.") for op in OPS}
    assert names | WITHOUT_SAMPLES == set(functional.__all__) - OURS_ALONE | WITHOUT_SAMPLES


def is_left_out(op, sample, dtype):
    """What ours refuse, or what PyTorch itself has wrong."""
    name, shape = op.name.removeprefix("nn.functional."), sample.input.shape
    if name == "batch_norm" and len(shape) == 1:  # no channels; PyTorch takes it if it is empty
        return True
    # Of a single feature x̂ is 0, and so is ∂L/∂w; PyTorch's kernel gives 3e-5.
    return name == "layer_norm" and shape == (1,) and dtype == torch.float32


#: Pooling has a sample for each of a thousand combinations of options: as many are drawn.
ENOUGH = 25
#: The reference inputs are the sample inputs and more of the same kinds.
SAMPLES = [
    pytest.param("reference_inputs", torch.float64, ENOUGH, id="float64"),
    *(
        pytest.param("reference_inputs", dtype, None, id=f"all in {name}", marks=[exhaustive])
        for name, dtype in (("float64", torch.float64), ("float32", torch.float32))
    ),
]


@pytest.mark.parametrize(("samples", "dtype", "enough"), SAMPLES)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.formatted_name)
@pytest.mark.filterwarnings("ignore:.*broadcasting:UserWarning")  # some samples broadcast
@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")
@pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel:UserWarning")
@pytest.mark.filterwarnings("ignore:dropout2d:UserWarning")  # (N, C, L)
@pytest.mark.filterwarnings("ignore:.*batchmean:UserWarning")
def test_samples(op, samples, dtype, enough):
    manual = getattr(functional, op.name.removeprefix("nn.functional."))
    if op.name.startswith("nn.functional.embedding"):  # their samples begin with the weight

        def manual(weight, words, manual=manual, **options):
            return manual(words, weight, **options)

    compared = 0
    found = list(getattr(op, samples)("cpu", dtype, requires_grad=True))
    many = len(found) > ENOUGH
    if enough and many:
        found = random.Random(0).sample(found, enough)
    for sample in found:
        if is_left_out(op, sample, dtype):
            continue
        args = tuple(as_leaf(a) for a in (sample.input, *sample.args))
        if op.name in NAN_BY_PLACE:
            args = (
                args[0].detach().nan_to_num(0, torch.inf, -torch.inf).requires_grad_(),
                *args[1:],
            )
        if op.name == "nn.functional.celu" and "alpha" in sample.kwargs:
            # PyTorch's backward takes α in float32.
            sample.kwargs["alpha"] = torch.tensor(sample.kwargs["alpha"]).item()
        if op.name == "nn.functional.scaled_dot_product_attention":
            # Of samples up to 9 the scores are near 100, and their rounding in float32 alone is
            # worth 1e-5 of a probability, in PyTorch as well.
            args = tuple((a.detach() / 3).requires_grad_() for a in args)
        # With the seed that PyTorch's own tests give to what draws random numbers.
        returned = [wrapper_set_seed(f, *args, **sample.kwargs) for f in (manual, op.op)]
        for actual, expected in zip(*map(all_tensors, returned), strict=True):
            compare(actual, expected, dtype)
        outputs = [list(tensors_in(each)) for each in returned]  # without indices
        leaves = [a for a in args if isinstance(a, torch.Tensor) and a.requires_grad]
        if leaves and outputs[0][0].requires_grad:
            incoming = zip(*(cotangents(output.detach()) for output in outputs[0]), strict=False)
            # Large samples are there for their sizes, hundreds of them for all options: one
            # gradient each is enough.
            one = many or outputs[0][0].numel() > 10_000
            for gs in [next(incoming)] if one else incoming:
                grads = [
                    torch.autograd.grad(o, leaves, gs, retain_graph=True, allow_unused=True)
                    for o in outputs
                ]
                if "conv" in op.name and dtype == torch.float32:
                    positive = [a.detach().abs().requires_grad_() for a in leaves]
                    output = op(*positive, **sample.kwargs)
                    terms = torch.autograd.grad(output, positive, gs[0].abs())
                    compare_sums(*grads, terms)
                    continue
                for actual, expected in zip(*grads, strict=True):
                    assert (actual is None) == (expected is None)
                    if expected is not None:
                        compare(actual, expected, dtype, *gs)
        compared += 1
    assert compared


def as_leaf(a):
    """A leaf in the sample's own layout: some samples are views made of the leaf they are."""
    return a.detach().requires_grad_(a.requires_grad) if isinstance(a, torch.Tensor) else a


def compare(actual, expected, dtype, *incoming):
    if dtype == torch.float64:
        close(actual, expected, *incoming)
    else:
        torch.testing.assert_close(actual, expected, equal_nan=True)


def compare_sums(manual, reference, terms):
    """PyTorch's own tolerance for float32, relative to Σ |terms|: what cancels is rounded, too."""
    for actual, expected, size in zip(manual, reference, terms, strict=True):
        assert ((actual - expected).abs() <= 1.3e-6 * size).all()
