import math

import pytest
import torch

from compare import compare_gradients
from compare.verdict.judge import BUG, CLOSER, EXACT, NO_TRUTH, ROUNDING, C, judge

TRUTH = torch.linspace(-1, 2, 50, dtype=torch.float64)
EPS = {dtype: torch.finfo(dtype).eps for dtype in C}


def verdict(manual, reference, truth=TRUTH, **options):
    return judge("x", "parameter", manual, reference, truth, **options).verdict


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
class TestAgainstTheTruth:
    def test_exact(self, dtype):
        a = TRUTH.to(dtype)
        row = judge("x", "parameter", a.clone(), a, TRUTH)
        assert (row.verdict, row.exact, row.max_abs, row.max_ulp) == (EXACT, True, 0, 0)

    def test_rounding(self, dtype):
        a = TRUTH.to(dtype)
        row = judge("x", "parameter", torch.nextafter(a, a + 1), a, TRUTH)
        assert row.verdict == ROUNDING
        assert row.max_ulp == 1
        assert not row.exact

    def test_just_inside_and_just_outside(self, dtype):
        a = TRUTH.to(dtype)
        allowed = 2 * (a.double() - TRUTH).abs().max() + C[dtype] * EPS[dtype] * 2
        for factor, expected in ((0.9, ROUNDING), (1.3, BUG)):
            m = a.clone()
            m[0] = (TRUTH[0] + factor * allowed).to(dtype)
            assert verdict(m, a) == expected

    def test_reference_that_is_itself_far_off_does_not_blame_the_better(self, dtype):
        m = TRUTH.to(dtype)
        assert verdict(m, (1.2 * TRUTH).to(dtype)) == CLOSER
        assert verdict((1.2 * TRUTH).to(dtype), m) == BUG

    def test_scale_does_not_matter(self, dtype):
        tiny = 1e-3 if dtype == torch.float16 else 1e-20
        t = (TRUTH.to(dtype).double() * tiny).to(dtype).double()
        a = t.to(dtype)
        assert verdict(a * 1.25, a, t) == BUG
        assert verdict(torch.zeros_like(a), a, t) == BUG
        assert verdict(torch.nextafter(a, a + 1), a, t) == ROUNDING

    def test_scale_of_terms_that_cancelled(self, dtype):
        t = torch.zeros(5, dtype=torch.float64)
        noise = torch.full((5,), EPS[dtype]).to(dtype)
        assert verdict(noise, t.to(dtype), t) == BUG
        assert verdict(noise, t.to(dtype), t, scale=1.0) == ROUNDING

    def test_sign_of_zero_is_not_exact_and_no_fault(self, dtype):
        a = torch.tensor([0.0, 1.0], dtype=dtype)
        row = judge("x", "parameter", torch.tensor([-0.0, 1.0], dtype=dtype), a, a.double())
        assert (row.exact, row.verdict, row.max_abs) == (False, ROUNDING, 0.0)
        assert "sign of a zero" in row.reason


class TestFloat64:
    def test_tighter_than_assert_close(self):
        a = TRUTH.clone()
        for error, expected in ((1e-13, ROUNDING), (1e-11, BUG)):
            m = a + error
            torch.testing.assert_close(m, a)
            assert verdict(m, a, None) == expected

    def test_no_absolute_tolerance(self):
        a = TRUTH * 1e-20
        torch.testing.assert_close(2 * a, a)
        assert verdict(2 * a, a, None) == BUG


class TestNotANumber:
    a = torch.tensor([1.0, 2.0, 3.0])
    nan = torch.tensor([1.0, math.nan, 3.0])

    def test_only_manual(self):
        row = judge("x", "parameter", self.nan, self.a, self.a.double())
        assert (row.verdict, row.max_abs, row.max_ulp, row.index) == (BUG, None, None, (1,))

    def test_both(self):
        row = judge("x", "parameter", self.nan, self.nan, self.nan.double())
        assert row.verdict == NO_TRUTH
        assert not row.passed
        assert row.exact

    def test_both_where_the_truth_is_a_number(self):
        assert verdict(self.nan, self.nan, self.a.double()) == NO_TRUTH

    def test_only_reference(self):
        assert verdict(self.a, self.nan, self.a.double()) == CLOSER
        assert verdict(2 * self.a, self.nan, self.a.double()) == BUG
        assert verdict(self.a, self.nan, self.nan.double()) == NO_TRUTH

    def test_nan_hides_no_fault_beside_it(self):
        wrong = torch.tensor([9.0, math.nan, 3.0])
        assert verdict(wrong, self.nan, self.nan.double()) == BUG


class TestInfinity:
    def test_the_same_infinity(self):
        a = torch.tensor([1.0, math.inf])
        assert verdict(a.clone(), a, a.double()) == EXACT
        assert verdict(torch.tensor([1.0 + 1e-7, math.inf]), a, a.double()) == ROUNDING

    def test_another_infinity(self):
        a = torch.tensor([1.0, math.inf])
        for other in (-math.inf, 1e38, math.nan):
            assert verdict(torch.tensor([1.0, other]), a, a.double()) == BUG

    def test_overflow_excuses_no_fault_beside_it(self):
        a = torch.tensor([1.0, math.inf])
        t = torch.tensor([1.0, 1e40], dtype=torch.float64)
        assert verdict(a.clone(), a, t) == EXACT
        assert verdict(torch.tensor([1.5, math.inf]), a, t) == BUG
        assert verdict(torch.tensor([1.5, math.inf]), a, t.float().double()) == BUG

    def test_only_manual(self):
        a = torch.tensor([1.0, 2.0])
        row = judge("x", "parameter", torch.tensor([1.0, math.inf]), a, a.double())
        assert (row.verdict, row.max_abs) == (BUG, math.inf)


class TestMismatch:
    a = torch.ones(2, 3)

    def test_shape(self):
        row = judge("x", "parameter", torch.ones(3), self.a, self.a.double())
        assert (row.verdict, row.reason) == (BUG, "shape (3), reference (2, 3)")

    def test_shape_that_would_broadcast(self):
        assert verdict(torch.ones(1, 3), self.a, self.a.double()) == BUG

    def test_dtype(self):
        assert verdict(self.a.double(), self.a, self.a.double()) == BUG

    def test_none(self):
        assert verdict(None, self.a, self.a.double()) == BUG
        assert verdict(self.a, None, None) == BUG
        with pytest.raises(ValueError, match="nothing to judge"):
            verdict(None, None, None)

    def test_truth_that_is_none(self):
        with pytest.raises(ValueError, match="float64"):
            verdict(self.a, self.a, self.a)

    def test_dtypes_that_have_no_ulp(self):
        with pytest.raises(TypeError, match=r"torch\.int64"):
            verdict(torch.ones(2).long(), torch.ones(2).long(), torch.ones(2).double())


def test_numbers_and_place():
    a = torch.ones(2, 3)
    m = a.clone()
    m[1, 2] = 1 + 4 * EPS[torch.float32]
    m[0, 1] = 1 - EPS[torch.float32]
    row = judge("x", "parameter", m, a, a.double())
    assert row.index == (1, 2)
    assert row.max_abs == 4 * EPS[torch.float32]
    assert row.max_rel == pytest.approx(4 * EPS[torch.float32])
    assert row.max_ulp == 4
    assert (row.manual, row.reference) == (float(m[1, 2]), 1.0)


def test_relative_difference_lies_between_0_and_2():
    for m, expected in ((0.0, 1.0), (-3.0, 2.0), (1.5, 0.5)):
        row = judge("x", "output", torch.tensor(m), torch.tensor(3.0), torch.tensor(3.0).double())
        assert row.max_rel == pytest.approx(expected)
        assert row.index == ()


def test_empty():
    empty = torch.ones(0, 3)
    row = judge("x", "output", empty, empty.clone(), empty.double())
    assert (row.verdict, row.max_abs, row.index) == (EXACT, 0.0, None)


def test_beside_a_point_that_the_reference_does_not_take():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, y):
            return torch.nn.functional.binary_cross_entropy(a, y)

        @staticmethod
        def backward(ctx, g):
            return g.expand(4, 3), None

    a = torch.tensor([0.0, 0.5, 1.0]).repeat(4, 1)
    report = compare_gradients(
        lambda a: Wrong.apply(a, torch.full_like(a, 0.5)),
        lambda a: torch.nn.functional.binary_cross_entropy(a, torch.full_like(a, 0.5)),
        a,
    )
    assert not report.passed
