import math

import pytest
import torch

from compare.trial.strides import copy_with_layout
from compare.verdict.bits import same_bits, ulp_distance

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES)
class TestSameBits:
    def test_equal_numbers_whatever_their_layout(self, dtype):
        x = torch.randn(3, 4).to(dtype)
        assert same_bits(x, x.T.contiguous().T)
        assert not same_bits(x, x + 1)

    def test_the_sign_of_zero_counts(self, dtype):
        assert not same_bits(torch.tensor([0.0], dtype=dtype), torch.tensor([-0.0], dtype=dtype))

    def test_any_nan_is_any_nan(self, dtype):
        x = torch.tensor([1.0, math.nan], dtype=dtype)
        assert same_bits(x, torch.tensor([1.0, -math.nan], dtype=dtype))
        assert not same_bits(x, torch.tensor([math.nan, math.nan], dtype=dtype))

    def test_one_step_is_seen(self, dtype):
        x = torch.ones(5, dtype=dtype)
        y = x.clone()
        y[3] = torch.nextafter(x[3], x[3] + 1)
        assert not same_bits(x, y)


def test_same_bits_of_other_shapes_and_dtypes():
    x = torch.zeros(2)
    assert not same_bits(x, torch.zeros(1, 2))
    assert not same_bits(x, torch.zeros(2, dtype=torch.float64))
    assert same_bits(torch.tensor([1, 2]), torch.tensor([1, 2]))


@pytest.mark.parametrize("dtype", DTYPES)
class TestUlpDistance:
    def distance(self, a, b, dtype):
        return int(ulp_distance(torch.tensor(a, dtype=dtype), torch.tensor(b, dtype=dtype)))

    def test_steps(self, dtype):
        x = torch.tensor(1.0, dtype=dtype)
        y = x
        for steps in range(4):
            assert int(ulp_distance(x, y)) == int(ulp_distance(y, x)) == steps
            assert int(ulp_distance(-x, -y)) == steps
            y = torch.nextafter(y, y + 1)

    def test_across_a_power_of_two(self, dtype):
        one = torch.tensor(1.0, dtype=dtype)
        below = torch.nextafter(one, one - 1)
        assert int(ulp_distance(torch.nextafter(one, one + 1), below)) == 2

    def test_zeros_are_one_number(self, dtype):
        assert self.distance(0.0, -0.0, dtype) == 0
        smallest = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
        assert self.distance(smallest, -smallest, dtype) == 2

    def test_nan_and_infinity(self, dtype):
        assert self.distance(math.nan, math.nan, dtype) == 0
        assert self.distance(math.nan, 1.0, dtype) == 2**63 - 1
        assert self.distance(math.inf, math.inf, dtype) == 0
        assert self.distance(math.inf, torch.finfo(dtype).max, dtype) == 1

    def test_all_the_way(self, dtype):
        largest = torch.finfo(dtype).max
        bits = {torch.float64: 0x7FEFFFFFFFFFFFFF, torch.float32: 0x7F7FFFFF}
        expected = bits.get(dtype, 0x7BFF if dtype == torch.float16 else 0x7F7F)
        assert self.distance(-largest, largest, dtype) == min(2 * expected, 2**63 - 1)


@pytest.mark.parametrize(
    "x",
    [
        torch.randn(3, 4),
        torch.randn(4, 3).T,
        torch.randn(6, 8)[::2, ::2],
        torch.randn(1, 4).expand(3, 4),
        torch.randn(()),
        torch.randn(0, 4),
        torch.randn(()).expand(3, 4),
    ],
    ids=["contiguous", "transposed", "sliced", "expanded", "scalar", "empty", "constant"],
)
def test_copy_with_layout(x):
    for dtype in (torch.float32, torch.float64):
        copy = copy_with_layout(x, dtype)
        assert copy.dtype == dtype
        assert torch.equal(copy, x.to(dtype))
        if x.numel() > 1:
            assert copy.stride() == x.stride()
            assert copy.data_ptr() != x.data_ptr()


def test_copy_of_overlapping_windows():
    x = torch.arange(5.0).as_strided((3, 3), (1, 1))
    assert torch.equal(copy_with_layout(x), x)
