"""System 7 once more: how notes 000 and 004 derive δᴸ, first for two classes, then for many."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from compare.notes.losses import BCE, CROSS_ENTROPY, SQUARED_ERROR, binary_example, classes_example
from compare.notes.row import Row, agrees, equal, gradient, misprint, unreadable
from manual_backprop import functional


def rows() -> Iterator[Row]:
    """The rows of notes 000 and 004 in system 7."""
    z, y_hat, y = binary_example()
    squared = gradient(((y_hat - y) ** 2).sum() / 2, z)
    yield from _squared_error(y_hat, y, y_hat * (1 - y_hat), squared)
    yield from _binary("000", z, y_hat, y, lines=(6, 39, 45, 47, 49, 51))
    yield from _binary("004", z, y_hat, y, lines=(142, 76, 98, 100, 102, 82))
    yield from _binary_as_scanned(z, y_hat, y)
    yield from _categorical()


def _binary(
    note: str, z: Tensor, y_hat: Tensor, y: Tensor, lines: tuple[int, ...]
) -> Iterator[Row]:
    """The derivation that both notes share; ``lines`` in the order below."""
    delta = gradient(F.binary_cross_entropy(y_hat, y, reduction="sum"), z)
    logits = functional.binary_cross_entropy_with_logits(z, y, reduction="sum")
    d_loss = gradient(functional.binary_cross_entropy(y_hat, y, reduction="sum"), y_hat)
    slope = gradient(functional.sigmoid(z).sum(), z)
    a, sigmoid = torch.sigmoid(z), "manual_backprop.functional.sigmoid"
    with_logits = f"{BCE}_with_logits"
    steps = [
        ("δᴸ under cross entropy", "aᴸ − y", a - y, delta, with_logits),
        ("δᴸ by the chain rule", "∂L/∂a · ∂a/∂z", d_loss * slope, delta, BCE),
        ("∂a/∂z", "σ(z)(1 − σ(z))", torch.sigmoid(z) * (1 - torch.sigmoid(z)), slope, sigmoid),
        ("∂a/∂z", "a(1 − a)", a * (1 - a), slope, sigmoid),
        ("∂a/∂z", "ŷ(1 − ŷ)", y_hat * (1 - y_hat), slope, sigmoid),
        ("δᴸ simplified", "ŷᵢ − yᵢ", y_hat - y, gradient(logits, z), with_logits),
    ]
    for line, (claim, printed, value, truth, code) in zip(lines, steps, strict=True):
        yield agrees(f"{note}:{line}", claim, printed, equal(value, truth), code)


def _binary_as_scanned(z: Tensor, y_hat: Tensor, y: Tensor) -> Iterator[Row]:
    """The step before the simplification: wrong in one note, struck through in both."""
    d_loss = gradient(functional.binary_cross_entropy(y_hat, y, reduction="sum"), y_hat)
    delta = gradient(F.binary_cross_entropy(y_hat, y, reduction="sum"), z)
    derivative = -y / y_hat + (1 - y) / (1 - y_hat)
    yield unreadable(
        "000:41",
        "δᴸ of binary cross entropy, before it is simplified",
        "(−y/ŷ + (1 − y)/(1 − ŷ)) ŷ ln(1 − ŷ)",
        "struck through where ln is read; ŷ(1 − ŷ)",
        BCE,
        equal(derivative * y_hat * (1 - y_hat), delta),
    )
    yield misprint(
        "004:78",
        "∂L/∂ŷ of binary cross entropy",
        "−y/ŷ² + (1 − y)/(1 − ŷ)",
        equal(-y / y_hat**2 + (1 - y) / (1 - y_hat), d_loss),
        "−y/ŷ + (1 − y)/(1 − ŷ)",
        equal(derivative, d_loss),
        BCE,
    )
    yield unreadable(
        "004:80",
        "the numerator over ŷ(1 − ŷ)",
        "−y + y/ŷ + ŷ − yŷ",
        "struck through where a fraction is read; −y + yŷ + ŷ − yŷ",
        BCE,
        equal(-y + y * y_hat + y_hat - y * y_hat, delta),
    )
    yield unreadable(
        "004:84",
        "remark beside δᴸ = ŷ − y",
        "δᴸ is Cross Entropy loss",
        "one letter; δᴸ if the loss is cross entropy",
        BCE,
        equal(y_hat - y, delta),
    )


def _squared_error(y_hat: Tensor, y: Tensor, slope: Tensor, truth: Tensor) -> Iterator[Row]:
    loss = functional.squared_error_loss(y_hat, y)
    for note, value_line, delta_lines in (("000", 23, (8, 25)), ("004", 18, (7, 20))):
        yield agrees(
            f"{note}:{value_line}",
            "the loss assumed so far, called MSE",
            "½ Σ (yᵢ − aᵢ)²",
            equal(((y - y_hat) ** 2).sum() / 2, loss),
            SQUARED_ERROR,
        )
        for line in delta_lines:
            yield agrees(
                f"{note}:{line}",
                "its δᴸ = ∂L/∂z",
                "(aᴸ − y) ⊙ σ′(zᴸ)",
                equal((y_hat - y) * slope, truth),
                SQUARED_ERROR,
            )


def _categorical() -> Iterator[Row]:
    """Categorical cross entropy, and binary as its case of two classes."""
    z, y_hat, y, t = classes_example()
    n = len(z)
    mean = -(y * y_hat.log()).sum() / n
    value = equal(mean, functional.cross_entropy(z, t), F.cross_entropy(z, t))
    yield unreadable(
        "000:57",
        "categorical cross entropy",
        "−(1/N) Σᵢ∈N Σⱼ∈C y_nji log ŷ_nji",
        "the commas between the indices; y_n,i log ŷ_n,i as in note 004",
        CROSS_ENTROPY,
        value,
    )
    yield agrees(
        "004:112",
        "categorical cross entropy",
        "−(1/N) Σₙ Σᵢ yₙᵢ log ŷₙᵢ",
        value,
        CROSS_ENTROPY,
    )
    delta = gradient(functional.cross_entropy(z, t, reduction="sum"), z)
    auto = gradient(F.cross_entropy(z, t, reduction="sum"), z)
    for place in ("000:69", "000:79", "004:137"):
        yield agrees(
            place,
            "∂L/∂z = ∂L/∂a · ∂a/∂z under softmax, one example",
            "ŷᵢ − yᵢ",
            equal(y_hat - y, auto, delta),
            CROSS_ENTROPY,
        )
    z2, a, y1 = binary_example()
    two = torch.stack([torch.zeros_like(z2), z2], 1)  # softmax of (0, z) is (1 − σ(z), σ(z))
    p, target = torch.softmax(two, 1), torch.stack([1 - y1, y1], 1)
    sum_of_two = -(target[:, 1] * p[:, 1].log() + target[:, 0] * p[:, 0].log()).mean()
    for place in ("000:61", "004:119"):
        yield agrees(
            place,
            "the same for two classes",
            "−(1/N) Σₙ (yₙ₁ log ŷₙ₁ + yₙ₀ log ŷₙ₀)",
            equal(sum_of_two, functional.cross_entropy(two, target)),
            CROSS_ENTROPY,
        )
    yield unreadable(
        "000:63",
        "the target of the other class",
        "yₙ₀ = 1 − ȳₙ₁",
        "what the bar is; a stroke, for yₙ₀ = 1 − yₙ₁ stands in note 004",
        BCE,
        equal(1 - y1, target[:, 0]),
    )
    yield agrees(
        "004:127",
        "with yₙ₀ = 1 − yₙ₁ it is binary cross entropy (its mean; line 42 is the sum)",
        "(in words)",
        equal(sum_of_two, functional.binary_cross_entropy(a, y1), F.binary_cross_entropy(a, y1)),
        BCE,
    )
    total = -(y1 * a.log() + (1 - y1) * (1 - a).log()).sum()
    yield agrees(
        "004:42",
        "binary cross entropy of m examples",
        "−Σ (yᵢ log ŷᵢ + (1 − yᵢ) log(1 − ŷᵢ))",
        equal(total, functional.binary_cross_entropy(a, y1, reduction="sum")),
        BCE,
    )
