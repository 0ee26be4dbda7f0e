"""Comparing functions: of several inputs and outputs, in place, with views."""

import torch

from compare import assert_gradients_match, compare_gradients
from compare.trial.cotangents import TENSORS
from tests.compare.by_hand import one_at_zero

DERIVED = (
    "rounded",
    "next to kinks",
    "saturating",
    "odd batch",
    "one sample",
    "131 samples",
    "size 3 as 7",
    "size 3 as 131",
)


class TestFunctions:
    def test_plain_functions(self):
        report = assert_gradients_match(lambda x: x * x, torch.square, torch.randn(4, 3))
        assert [row.name for row in report.rows] == ["output", "input"]
        asked = [(rows[0].input, rows[0].cotangent) for rows in report.trials]
        assert asked == [
            *(("given", c) for c in TENSORS),
            *((kind, "random") for kind in DERIVED),
        ]

    def test_a_uniform_gradient_would_hide_this(self):
        class ZeroSoftmax(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x.softmax(1)

            @staticmethod
            def backward(ctx, g):
                return torch.zeros_like(g)

        report = compare_gradients(ZeroSoftmax.apply, lambda x: x.softmax(1), torch.randn(4, 3))
        assert [row.name for row in report.failures] == ["input"]

    def test_softmax_under_a_uniform_gradient_is_noise_and_no_fault(self):
        def other_softmax(x):
            e = x.exp()
            return e / e.sum(1, keepdim=True)

        from compare.trial.cotangents import TENSORS

        fed = {"ones": lambda output, generator: torch.ones(output.shape).double(), **TENSORS}
        for seed in range(10):
            x = torch.randn(9, 5, generator=torch.Generator().manual_seed(seed))
            assert_gradients_match(
                other_softmax, lambda x: x.softmax(1), x, cotangents=fed, seed=seed
            )

    def test_backward_that_takes_the_memory_for_the_numbers(self):
        class AsStored(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return 2 * (g if g.is_contiguous() else g.mT.reshape(g.shape))

        report = compare_gradients(AsStored.apply, lambda x: x * 2, torch.randn(4, 3))
        assert report.failures[0].cotangent in ("expanded", "transposed")

    def test_absolute_tolerance_does_not_hide_a_tiny_gradient(self):
        class AddsTiny(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return 2 * g + 1e-12

        report = compare_gradients(AddsTiny.apply, lambda x: x * 2, torch.randn(4, 3))
        assert report.failures[0].cotangent == "tiny"

    def test_kink_at_exact_zeros(self):
        z = torch.randn(6, 5)
        report = assert_gradients_match(one_at_zero, torch.relu, z)
        assert report.verdict == "another subgradient"
        assert not compare_gradients(one_at_zero, torch.relu, z, strict=True).passed

    def test_only_inputs_that_require_a_gradient_if_some_do(self):
        x, w = torch.randn(3, 2), torch.randn(2, 2, requires_grad=True)
        report = assert_gradients_match(torch.mm, torch.matmul, x, w)
        assert [(row.name, row.passed) for row in report.rows] == [
            ("output", True),
            ("input", True),
        ]
        assert x.requires_grad is False
        assert w.grad is None

    def test_several_outputs_and_inputs(self):
        def both(x, y):
            return {"sum": x + y, "parts": (x * y, [x - y])}

        report = assert_gradients_match(both, both, torch.randn(3), torch.randn(3))
        assert [row.name for row in report.rows] == [
            "output 0",
            "output 1",
            "output 2",
            "input 0",
            "input 1",
        ]
