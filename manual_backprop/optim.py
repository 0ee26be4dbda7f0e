"""Gradient descent with momentum, in PyTorch's form and in the lecture notes'.

    SGD         v₁ = g₁,  v ← μv + (1 − τ)g        w ← w − ηv        τ: dampening
    Momentum    v₀ = 0,   v ← βv + (1 − β)g        w ← w − ηv

with g = ∂L/∂w + λw, elementwise, any shape. Written out, with the same factor β = μ in both and
τ = 0,

    SGD         v_t = Σₛ β^{t−s} g_s
    Momentum    v_t = Σₛ β^{t−s} g_s · (1 − β)     (s = 1 … t)

so the notes' velocity is 1 − β times PyTorch's at every step, the first one included:

    Momentum with the learning rate η  =  SGD with the learning rate (1 − β)η, dampening 0

exactly, but for rounding, as long as β stays the same; η may change between steps. With β = 0.9
the notes' η = 1 is PyTorch's lr = 0.1.

Dampening τ = β gives PyTorch's rule the notes' formula, but not the notes' descent: PyTorch starts
with v₁ = g₁ where the notes have v₁ = (1 − β)g₁. The surplus βg₁ fades by β a step,

    v_t of SGD(dampening=β)  =  v_t of Momentum + β^t g₁          for the same gradients

so the two coincide only if β = 0 or g₁ = 0. With β = 0 all of them are plain descent, w ← w − ηg.

Source: lecture note "The MNIST network by hand" (momentum; it prints v = β·w + …, where it means
v = β·v + …: only then is the velocity a mean of gradients); ``torch.optim.SGD``.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT


class SGD(torch.optim.SGD):
    """``torch.optim.SGD`` with the step below.

    Args:
        params: parameters, or groups of them.
        lr: η ≥ 0.
        momentum: μ ≥ 0.
        dampening: τ; the gradient enters the velocity with the factor 1 − τ, but for the first.
        weight_decay: λ ≥ 0.
        nesterov: step along g + μv, as if the next velocity were known already.
        maximize: ascend.

    Its ``state_dict`` is that of ``torch.optim.SGD``. Which kernel to run (``foreach``, ``fused``)
    is no choice here, and the step itself cannot be differentiated.

    Raises:
        ValueError: for settings out of range, as in PyTorch.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, momentum, dampening, weight_decay, nesterov, maximize=maximize)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step for each parameter that has a gradient.

        Args:
            closure: computes the gradients anew and returns the loss.

        Returns:
            What the closure returns.
        """
        loss = _evaluate(closure)
        for group in self.param_groups:
            η, μ, τ = float(group["lr"]), group["momentum"], group["dampening"]
            for w in group["params"]:
                if w.grad is None:
                    continue
                g = _gradient(w, w.grad, group)
                if μ != 0:
                    v = self.state[w].get("momentum_buffer")
                    if v is None:
                        v = self.state[w]["momentum_buffer"] = g.clone()  # v₁ = g₁
                    else:
                        v.mul_(μ).add_(g, alpha=1 - τ)  # v ← μv + (1 − τ)g
                    g = g.add(v, alpha=μ) if group["nesterov"] else v
                w.add_(g, alpha=-η)  # w ← w − ηv
        return loss


class Momentum(torch.optim.Optimizer):
    """The notes' descent: the velocity is a running mean of the gradients.

    Args:
        params: parameters, or groups of them.
        lr: η ≥ 0; 1/(1 − β) times that of ``SGD`` gives the same descent.
        momentum: 0 ≤ β < 1.
        weight_decay: λ ≥ 0.
        maximize: ascend.

    Raises:
        ValueError: for settings out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        momentum: float = 0.9,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        if not lr >= 0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0 <= momentum < 1:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if not weight_decay >= 0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step for each parameter that has a gradient.

        Args:
            closure: computes the gradients anew and returns the loss.

        Returns:
            What the closure returns.
        """
        loss = _evaluate(closure)
        for group in self.param_groups:
            η, β = float(group["lr"]), group["momentum"]
            for w in group["params"]:
                if w.grad is None:
                    continue
                g = _gradient(w, w.grad, group)
                state = self.state[w]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(w)  # v₀ = 0
                v = state["velocity"]
                v.mul_(β).add_(g, alpha=1 - β)  # v ← βv + (1 − β)g
                w.add_(v, alpha=-η)  # w ← w − ηv
        return loss


def _evaluate(closure: Callable[[], Any] | None) -> Any:
    with torch.enable_grad():
        return None if closure is None else closure()


def _gradient(w: Tensor, grad: Tensor, group: dict[str, Any]) -> Tensor:
    """g = ±∂L/∂w + λw. The sign is turned before the decay is added, as in PyTorch."""
    g = -grad if group["maximize"] else grad
    λ = float(group["weight_decay"])
    return g if λ == 0 else g.add(w, alpha=λ)
