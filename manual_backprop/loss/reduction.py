"""From one loss per element to the loss that is minimised: what ``reduction`` means.

    L = L_n (none),    L = Σ_n L_n (sum),    L = (1/m) Σ_n L_n (mean)

    ∂L/∂L_n = 1, 1 and 1/m, times the gradient that arrives for L.

m counts what the loss says it counts: elements, samples, or the weight of the samples.

Source: lecture note "Backpropagation" (L_T = 1/n Σ L_i).
"""

from torch import Tensor


def reduced(losses: Tensor, reduction: str, m: Tensor | int) -> Tensor:
    """L from the L_n, all of them of any shape; a 0-d tensor unless ``reduction`` is none."""
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / m


def unreduced(grad_output: Tensor, reduction: str, m: Tensor | int) -> Tensor:
    """∂L/∂L_n from the gradient for L; broadcasts against the L_n."""
    return grad_output / m if reduction == "mean" else grad_output
