"""The rules that projects of the museum judge a gradient by, as they stand in their tests."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from compare.mutants.rules import RULES, Rule, allclose


@dataclass(frozen=True)
class Published:
    """The rule, and where it was read."""

    rule: Rule
    source: str


def _ratio(m: Tensor, a: Tensor) -> bool:
    """Root mean squares; what is small anyway passes."""
    d = (m - a).double()
    rms = d.square().mean().sqrt() / (a.double().square().mean().sqrt() + 1e-8)
    return bool(d.abs().max() <= 1e-6) or bool(rms < 0.005)


#: By name. Each compares the gradients of the sum of the outputs, as most of these tests do.
PUBLISHED: Mapping[str, Published] = {
    "against itself": Published(
        lambda m, a: torch.allclose(m, m, rtol=1e-5, atol=1e-5), "Liger-Kernel, until #359"
    ),
    "allclose, atol 1": Published(allclose(2e-6, 1.0), "Liger-Kernel, test_geglu.py"),
    "allclose, atol 0.5": Published(allclose(1e-5, 0.5), "tt-metal, layer norm until #53215"),
    "bfloat16: rtol 0.48, atol 0.032": Published(
        RULES["bfloat16 as DeepSpeed: rtol 0.48, atol 0.032"], "DeepSpeed"
    ),
    "bfloat16: rtol 1.6e-2, atol 1e-3": Published(
        RULES["bfloat16 as PyTorch: rtol 1.6e-2, atol 1e-3"], "PyTorch"
    ),
    "RMS of the difference < 0.5 %": Published(
        _ratio, "flash-linear-attention, assert_close in its tests"
    ),
    "allclose, atol 1e-3": Published(allclose(1e-5, 1e-3), "mmcv, test_roi_align.py"),
    "allclose, atol 5e-4": Published(allclose(1e-5, 5e-4), "gsplat, test_project_gaussians.py"),
    "allclose, rtol 1e-3, atol 1e-4": Published(allclose(1e-3, 1e-4), "tinygrad, test_ops.py"),
}
