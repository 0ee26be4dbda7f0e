"""System 10: momentum, in the form of note 001 and in PyTorch's, down one curved valley."""

from collections.abc import Callable

import torch
from torch import Tensor

from compare.notes.by_autograd import float64, gradient
from compare.notes.claim import Claims, agrees, equal, equations, figure, misprint
from manual_backprop.optim import SGD, Momentum

BETA, LR, STEPS = 0.9, 0.05, 12
START = float64([1.0, -0.7, 0.4])


def loss(w: Tensor) -> Tensor:
    """A curved valley in three dimensions: gradients that change from step to step."""
    return (torch.cosh(w) * float64([1, 2, 5])).sum()


def path(optimiser: Callable[[list[Tensor]], torch.optim.Optimizer]) -> Tensor:
    """w after each of STEPS steps, (STEPS, 3)."""
    w = START.clone().requires_grad_()
    descent, steps = optimiser([w]), []
    for _ in range(STEPS):
        w.grad = gradient(loss(w), w)
        descent.step()
        steps.append(w.detach().clone())
    return torch.stack(steps)


def recursion(velocity: Callable[[Tensor, Tensor, Tensor], Tensor], share: float = 1) -> Tensor:
    """The same by the equations: v ← velocity(v, w, g), then w ← w − share·η·v."""
    w, v, steps = START, torch.zeros(3, dtype=torch.float64), []
    for _ in range(STEPS):
        at = w.clone().requires_grad_()
        v = velocity(v, w, gradient(loss(at), at))
        w = w - share * LR * v
        steps.append(w)
    return torch.stack(steps)


# fmt: off
def claims() -> Claims:
    """Note 001, lines 232 to 242."""
    notes = path(lambda w: Momentum(w, LR, BETA))
    plain = recursion(lambda v, w, g: g)
    as_printed = recursion(lambda v, w, g: BETA * w + (1 - BETA) * g)
    divided = recursion(lambda v, w, g: BETA * v + (1 - BETA) * g, share=1 / BETA)
    mean = recursion(lambda v, w, g: BETA * v + (1 - BETA) * g)  # v is a running mean of g
    sgd, torch_sgd = path(lambda w: SGD(w, LR)), path(lambda w: torch.optim.SGD(w, LR))
    shorter = path(lambda w: SGD(w, LR * (1 - BETA), BETA))
    torch_shorter = path(lambda w: torch.optim.SGD(w, LR * (1 - BETA), BETA))
    damped = path(lambda w: torch.optim.SGD(w, LR, BETA, dampening=BETA))
    default = Momentum([START.clone().requires_grad_()], LR).defaults["momentum"]
    yield agrees("001:232", "the usual β", "0.9", figure("0.9", default), Momentum)
    yield agrees("001:234", "before momentum", "w = w − dL/dw × lr",
        equal(plain, sgd, torch_sgd), SGD)
    yield misprint("001:236", "after momentum", "w = w − (v_w/β) × lr", equal(divided, notes),
        "w = w − v_w × lr (v/β has no value at the β = 0 of line 242)", equal(mean, notes),
        Momentum)
    yield misprint("001:238", "the velocity of w", "v = β × w + (1 − β) × dL/dw",
        equal(as_printed, notes), "v = β × v + (1 − β) × dL/dw", equal(mean, notes), Momentum)
    yield misprint("001:240", "the velocity of b", "v = β × b + (1 − β) × dL/db",
        equal(as_printed, notes), "v = β × v + (1 − β) × dL/db", equal(mean, notes), Momentum)
    yield from equations(Momentum,
        ("001:242", "at β = 0 it is plain descent", "β = 0: v_w = dL/dw, v_b = dL/db",
         path(lambda w: Momentum(w, LR, 0)), torch_sgd),
        ("001:238",
         "its relation to PyTorch's form: the learning rate times 1 − β, first step included",
         "v = β × v + (1 − β) × dL/dw", notes, shorter, torch_shorter),
        ("001:238", "PyTorch's dampening = β is not it: the first step is 1/(1 − β) times as long",
         "v = β × v + (1 − β) × dL/dw",
         (notes[0] - START) / (1 - BETA), damped[0] - START, sgd[0] - START))
