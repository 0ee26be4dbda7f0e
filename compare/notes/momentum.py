"""System 10: momentum, in the form of note 001 and in PyTorch's, down one curved valley."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from compare.notes.row import Row, agrees, equal, figure, gradient, misprint
from manual_backprop.optim import SGD, Momentum

BETA, LR, STEPS = 0.9, 0.05, 12
NOTES = "manual_backprop.optim.Momentum"
TORCH = "manual_backprop.optim.SGD"


def loss(w: Tensor) -> Tensor:
    """A curved valley in three dimensions: gradients that change from step to step."""
    return (torch.cosh(w) * torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)).sum()


def start() -> Tensor:
    """w before the first step, (3)."""
    return torch.tensor([1.0, -0.7, 0.4], dtype=torch.float64)


def path(optimiser: Callable[[list[Tensor]], torch.optim.Optimizer]) -> Tensor:
    """w after each of STEPS steps, (STEPS, 3)."""
    w = start().requires_grad_()
    descent, steps = optimiser([w]), []
    for _ in range(STEPS):
        w.grad = gradient(loss(w), w)
        descent.step()
        steps.append(w.detach().clone())
    return torch.stack(steps)


def recursion(velocity: Callable[[Tensor, Tensor, Tensor], Tensor], share: float = 1) -> Tensor:
    """The same by the equations: v ← velocity(v, w, g), then w ← w − share·η·v."""
    w, v, steps = start(), torch.zeros(3, dtype=torch.float64), []
    for _ in range(STEPS):
        at = w.clone().requires_grad_()
        v = velocity(v, w, gradient(loss(at), at))
        w = w - share * LR * v
        steps.append(w)
    return torch.stack(steps)


def rows() -> Iterator[Row]:
    """The rows of system 10."""

    def running_mean(v: Tensor, w: Tensor, g: Tensor) -> Tensor:
        return BETA * v + (1 - BETA) * g

    def as_printed(v: Tensor, w: Tensor, g: Tensor) -> Tensor:
        return BETA * w + (1 - BETA) * g

    def plain(v: Tensor, w: Tensor, g: Tensor) -> Tensor:
        return g

    notes = path(lambda w: Momentum(w, LR, BETA))
    default = Momentum([start().requires_grad_()], LR).defaults["momentum"]
    yield agrees("001:232", "the usual β", "0.9", figure("0.9", default), NOTES)
    yield agrees(
        "001:234",
        "before momentum",
        "w = w − dL/dw × lr",
        equal(recursion(plain), path(lambda w: SGD(w, LR)), path(lambda w: torch.optim.SGD(w, LR))),
        TORCH,
    )
    yield misprint(
        "001:236",
        "after momentum",
        "w = w − (v_w/β) × lr",
        equal(recursion(running_mean, share=1 / BETA), notes),
        "w = w − v_w × lr (v/β has no value at the β = 0 of line 242)",
        equal(recursion(running_mean), notes),
        NOTES,
    )
    for line, letter in ((238, "w"), (240, "b")):
        yield misprint(
            f"001:{line}",
            f"the velocity of {letter}",
            f"v = β × {letter} + (1 − β) × dL/d{letter}",
            equal(recursion(as_printed), notes),
            f"v = β × v + (1 − β) × dL/d{letter}",
            equal(recursion(running_mean), notes),
            NOTES,
        )
    yield agrees(
        "001:242",
        "at β = 0 it is plain descent",
        "β = 0: v_w = dL/dw, v_b = dL/db",
        equal(path(lambda w: Momentum(w, LR, 0)), path(lambda w: torch.optim.SGD(w, LR))),
        NOTES,
    )
    yield agrees(
        "001:238",
        "its relation to PyTorch's form: the learning rate times 1 − β, first step included",
        "v = β × v + (1 − β) × dL/dw",
        equal(
            notes,
            path(lambda w: SGD(w, LR * (1 - BETA), BETA)),
            path(lambda w: torch.optim.SGD(w, LR * (1 - BETA), BETA)),
        ),
        NOTES,
    )
    damped = path(lambda w: torch.optim.SGD(w, LR, BETA, dampening=BETA))
    first = path(lambda w: SGD(w, LR))[0]
    yield agrees(
        "001:238",
        "PyTorch's dampening = β is not it: the first step is 1/(1 − β) times as long",
        "v = β × v + (1 − β) × dL/dw",
        equal((notes[0] - start()) / (1 - BETA), damped[0] - start(), first - start()),
        NOTES,
    )
