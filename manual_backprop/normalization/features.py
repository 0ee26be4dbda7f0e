"""What the layers check whose weight has the shape of a sample's last dimensions."""

from collections.abc import Sequence

from torch import Tensor


def check_features(
    name: str, input: Tensor, normalized_shape: Sequence[int], **parameters: Tensor | None
) -> tuple[int, ...]:
    """The normalized shape; ValueError unless input ends with it and each parameter is of it."""
    shape = tuple(normalized_shape)
    if not shape or tuple(input.shape[-len(shape) :]) != shape:
        raise ValueError(
            f"{name}: expected input (…, *normalized_shape) with a normalized_shape of one "
            f"dimension or more, got input {tuple(input.shape)} and normalized_shape {shape}"
        )
    for what, t in parameters.items():
        if t is not None and tuple(t.shape) != shape:
            raise ValueError(
                f"{name}: expected {what} of shape normalized_shape {shape}, got {tuple(t.shape)}"
            )
    return shape
