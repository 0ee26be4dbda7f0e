"""The rounding of long sums: as large as it is measured, and no fault of who adds up otherwise."""

import itertools

import pytest
import torch
from torch import nn

from compare import compare_gradients
from compare.verdict.sums import roundings
from tests.compare.by_hand import by_hand

ATEN = torch.ops.aten
EPS = torch.finfo(torch.float32).eps


@pytest.mark.parametrize("change", [lambda x: x, torch.abs], ids=["cancelling", "of one sign"])
@pytest.mark.parametrize("n", [100, 3000])
def test_a_sum_in_a_loop_is_off_by_as_much(n, change):
    torch.manual_seed(0)
    terms = change(torch.randn(n, 256))
    in_a_row = torch.zeros(256)
    for term in terms:
        in_a_row = in_a_row + term
    true = terms.double().sum(0)
    error = (in_a_row - true) / EPS
    [size] = roundings(ATEN.sum.dim_IntList, (terms.double(), [0]), {}, true)
    assert 0.5 < error.square().mean().sqrt() / size.square().mean().sqrt() < 1


def test_equal_terms_are_rounded_the_same_way():
    in_a_row = torch.zeros(256)
    term = torch.linspace(0.1, 1, 256)
    for _ in range(3000):
        in_a_row = in_a_row + term
    terms = term.double().expand(3000, 256)
    error = ((in_a_row - 3000 * term.double()) / EPS).abs()
    [size] = roundings(ATEN.sum.dim_IntList, (terms, [0]), {}, terms.sum(0))
    assert 0.1 < error.max() / size.max() < 1


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        (ATEN.mm.default, [(4, 7), (7, 5)]),
        (ATEN.bmm.default, [(2, 4, 7), (2, 7, 5)]),
        (ATEN.mean.dim, [(4, 7, 5), [1]]),
        (ATEN.cumsum.default, [(4, 7), 1]),
    ],
    ids=str,
)
def test_terms_are_counted(operation, arguments):
    """Of ones the partial sums are 1, 2, …: Σ n/6 + n/3 · n², or for a mean that over n²."""
    given = [torch.ones(a, dtype=torch.float64) if isinstance(a, tuple) else a for a in arguments]
    given[0] = given[0] + torch.arange(7.0).reshape([-1 if n == 7 else 1 for n in given[0].shape])
    result = operation(*given)
    [size] = roundings(operation, given, {}, result)
    n = torch.arange(1.0, 8.0) if operation is ATEN.cumsum.default else torch.tensor(7.0)
    t = torch.arange(1.0, 8.0).double()
    squares, total = (t**2).sum(), t.sum()
    if operation is ATEN.cumsum.default:
        squares, total = (t**2).cumsum(0), t.cumsum(0)
    expected = ((n / 6 * squares + n / 3 * total**2) / 12).sqrt() * (n > 1)
    if operation is ATEN.mean.dim:
        expected = expected / 7
    assert torch.allclose(size, expected.expand(size.shape), rtol=1e-6)


def test_what_adds_nothing_up_has_none():
    x = torch.rand(3, dtype=torch.float64)
    assert roundings(ATEN.mul.Tensor, (x, x), {}, x * x) == [None]


def linear_backward(g, x, weight, bias):
    """Sample by sample, as a loop in a kernel adds up."""
    grad_weight, grad_bias = torch.zeros_like(weight), torch.zeros_like(bias)
    for g_n, x_n in zip(g, x, strict=True):
        grad_weight += torch.outer(g_n, x_n)
        grad_bias += g_n
    return g @ weight, grad_weight, grad_bias


@pytest.mark.parametrize(("factor", "passes"), [(1.0, True), (1.001, False)])
def test_a_sum_over_3000_samples_in_a_loop(factor, passes):
    def backward(*args):
        grad_x, grad_weight, grad_bias = linear_backward(*args)
        return grad_x, grad_weight * factor, grad_bias * factor

    torch.manual_seed(0)
    inputs = torch.randn(3000, 2), torch.randn(3, 2), torch.randn(3)
    manual = by_hand(nn.functional.linear, backward)
    report = compare_gradients(manual, nn.functional.linear, *inputs, layers=False)
    assert report.passed == passes, str(report)


def taps(x, sizes):
    """What lies under each position of a weight of these sizes."""
    *_, depth, height, width = x.shape
    a, b, c = sizes
    for i, j, k in itertools.product(range(a), range(b), range(c)):
        place = slice(i, depth - a + 1 + i), slice(j, height - b + 1 + j)
        yield x[(..., *place, slice(k, width - c + 1 + k))]


def conv3d_backward(g, x, weight):
    """∂L/∂W tap by tap, as a sum over the positions; ∂L/∂x is not asked for."""
    found = [torch.einsum("nodhw,ncdhw->oc", g, under) for under in taps(x, weight.shape[2:])]
    return None, torch.stack(found, -1).reshape(weight.shape)


@pytest.mark.parametrize(("factor", "passes"), [(1.0, True), (1.001, False)])
def test_a_convolution_in_three_dimensions_tap_by_tap(factor, passes):
    def backward(*args):
        grad_x, grad_weight = conv3d_backward(*args)
        return grad_x, grad_weight * factor

    torch.manual_seed(2)
    x, weight = torch.randn(2, 3, 4, 64, 64), torch.randn(2, 3, 3, 1, 1, requires_grad=True)
    manual = by_hand(nn.functional.conv3d, backward)
    report = compare_gradients(manual, nn.functional.conv3d, x, weight, layers=False)
    assert report.passed == passes, str(report)


def test_who_keeps_the_logarithm_of_a_softmax_rounds_it():
    """Of two equal scores near 10⁶ each has half: what moves the scores moves no gradient."""

    def with_its_logarithm(g, z):
        p = (z - z.logsumexp(1, keepdim=True)).exp()
        return p * (g - (g * z.softmax(1)).sum(1, keepdim=True))

    def softmax(z):
        return z.softmax(1)

    z = 1e6 * torch.tensor([[1.07, 0.5, 1.07], [-0.3, 1.07, 1.07]], dtype=torch.float64)
    manual = by_hand(softmax, with_its_logarithm)
    report = compare_gradients(manual, softmax, z, layers=False)
    assert report.passed, str(report)
    assert report.verdict == "less accurate than the reference"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_logarithm_of_a_softmax_is_kept_in_half_precision(dtype):
    """A single score counts, and no rounding of the scores moves its probability from 1."""

    def with_its_logarithm(g, z, v):
        p = (z * 1.3 * (4 / 1.3) - (z * 4).logsumexp(1, keepdim=True)).exp()
        return 4 * p * (g * v - (g * v * p).sum(1, keepdim=True)), p * g

    def weighed(z, v):
        return (z * 4).softmax(1) * v

    z = torch.tensor([[233.0, 0.0, 7.0], [5.0, 233.0, 1.0], [3.0, 2.0, 119.0]], dtype=dtype)
    manual = by_hand(weighed, with_its_logarithm)
    report = compare_gradients(manual, weighed, z, torch.ones_like(z), layers=False)
    assert report.verdict == "less accurate than the reference", str(report)
