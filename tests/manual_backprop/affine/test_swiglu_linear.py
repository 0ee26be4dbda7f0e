import pytest
import torch
from torch.nn import functional as F

from compare.catalogue.values import normal
from manual_backprop.functional import swiglu_linear
from tests.manual_backprop.checks import saved_bytes


def test_keeps_half():
    def apart(z, W):
        u, v = z.chunk(2, -1)
        return F.linear(F.silu(u) * v, W)

    args = normal(50, 40).requires_grad_(), normal(3, 20, seed=1).requires_grad_()
    ours, theirs = (saved_bytes(f, args) - args[1].nbytes for f in (swiglu_linear, apart))
    assert ours == args[0].nbytes
    assert theirs == 2 * ours


@pytest.mark.parametrize(
    ("says", "args"),
    [
        (r"got \(4, 5\) and \(2, 3\)", (normal(4, 5), normal(2, 3))),
        (r"got \(4, 6\) and \(3,\)", (normal(4, 6), normal(3))),
        (r"got \(\) and", (torch.tensor(1.0), normal(2, 3))),
        (r"bias", (normal(4, 6), normal(2, 3), normal(3))),
    ],
)
def test_bad_input(says, args):
    with pytest.raises(ValueError, match=f"swiglu_linear: .*{says}"):
        swiglu_linear(*args)
