"""From one loss per element to the loss that is minimised: what ``reduction`` means.

    L = L_n (none),    L = Σ_n L_n (sum),    L = (1/m) Σ_n L_n (mean)

    ∂L/∂L_n = 1, 1 and 1/m, times the gradient that arrives for L.

m counts what the loss says it counts: elements, samples, or the weight of the samples.

Source: lecture note 003, "L_T = 1/n Σ L_i".
"""

from torch import Tensor
from torch.nn import _reduction

REDUCTIONS = ("none", "mean", "sum")


def chosen_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """``reduction``, or what the two arguments that PyTorch had before it say.

    Raises:
        ValueError: if ``reduction`` is none of ``"none"``, ``"mean"``, ``"sum"``.
    """
    if size_average is not None or reduce is not None:
        return _reduction.legacy_get_string(size_average, reduce)
    if reduction not in REDUCTIONS:
        raise ValueError(f"expected reduction 'none', 'mean' or 'sum', got {reduction!r}")
    return reduction


def reduced(losses: Tensor, reduction: str, m: Tensor | int) -> Tensor:
    """L from the L_n, all of them of any shape; a 0-d tensor unless ``reduction`` is none."""
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / m


def unreduced(grad_output: Tensor, reduction: str, m: Tensor | int) -> Tensor:
    """∂L/∂L_n from the gradient for L; broadcasts against the L_n."""
    return grad_output / m if reduction == "mean" else grad_output


def require_constant(**weights: Tensor | None) -> None:
    """Refuse weights that require a gradient: no loss here derives one for them.

    Raises:
        RuntimeError: naming the weight. Returning no gradient would silently train nothing.
    """
    for name, weight in weights.items():
        if weight is not None and weight.requires_grad:
            raise RuntimeError(
                f"the loss has no gradient for its {name}: expected a tensor with "
                f"requires_grad=False; pass {name}.detach()"
            )
