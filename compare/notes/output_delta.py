"""System 7 once more: how notes 000 and 004 derive δᴸ, first for two classes, then for many."""

import torch
from torch.nn import functional as F

from compare.notes.by_autograd import derivative, gradient
from compare.notes.claim import Claims, agrees, equal, equations, misprint, unreadable
from compare.notes.loss_gradients import binary_example, classes_example
from manual_backprop import functional


# fmt: off
def claims() -> Claims:
    """Notes 000, lines 6 to 8, 23 to 79, and 004, lines 7 to 137 and 142."""
    yield from _squared_error()
    yield from _binary()
    yield from _categorical()


def _squared_error() -> Claims:
    z, y_hat, y = binary_example()
    loss, hand = ((y - y_hat) ** 2).sum() / 2, functional.squared_error_loss(y_hat, y)
    delta, auto = (y_hat - y) * (y_hat * (1 - y_hat)), gradient(loss, z)
    yield from equations(functional.squared_error_loss,
        ("000:23", "the loss assumed so far, called MSE", "½ Σ (yᵢ − aᵢ)²", loss, hand),
        ("000:8", "its δᴸ = ∂L/∂z", "(aᴸ − y) ⊙ σ′(zᴸ)", delta, auto),
        ("000:25", "its δᴸ = ∂L/∂z", "(aᴸ − y) ⊙ σ′(zᴸ)", delta, auto),
        ("004:18", "the loss assumed so far, called MSE", "½ Σ (yᵢ − aᵢ)²", loss, hand),
        ("004:7", "its δᴸ = ∂L/∂z", "(aᴸ − y) ⊙ σ′(zᴸ)", delta, auto),
        ("004:20", "its δᴸ = ∂L/∂z", "(aᴸ − y) ⊙ σ′(zᴸ)", delta, auto))


def _binary() -> Claims:
    """Binary cross entropy: a derivation that both notes share, then where each is hard to read."""
    z, y_hat, y = binary_example()
    a, sigmoid, bce = torch.sigmoid(z), functional.sigmoid, functional.binary_cross_entropy
    with_logits = functional.binary_cross_entropy_with_logits
    d_loss, slope = gradient(bce(y_hat, y, reduction="sum"), y_hat), derivative(sigmoid, z)
    auto = gradient(F.binary_cross_entropy(y_hat, y, reduction="sum"), z)
    by_hand = gradient(with_logits(z, y, reduction="sum"), z)
    product = torch.sigmoid(z) * (1 - torch.sigmoid(z))
    read = -y / y_hat + (1 - y) / (1 - y_hat)
    derivation = [
        (("000:6", "004:142"), "δᴸ under cross entropy", "aᴸ − y", a - y, auto, with_logits),
        (("000:39", "004:76"), "δᴸ by the chain rule", "∂L/∂a · ∂a/∂z", d_loss * slope, auto, bce),
        (("000:45", "004:98"), "∂a/∂z", "σ(z)(1 − σ(z))", product, slope, sigmoid),
        (("000:47", "004:100"), "∂a/∂z", "a(1 − a)", a * (1 - a), slope, sigmoid),
        (("000:49", "004:102"), "∂a/∂z", "ŷ(1 − ŷ)", y_hat * (1 - y_hat), slope, sigmoid),
        (("000:51", "004:82"), "δᴸ simplified", "ŷᵢ − yᵢ", y_hat - y, by_hand, with_logits),
    ]
    for note in (0, 1):
        for at, says, printed, value, truth, code in derivation:
            yield agrees(at[note], says, printed, equal(value, truth), code)
    yield unreadable("000:41", "δᴸ of binary cross entropy, before it is simplified",
        "(−y/ŷ + (1 − y)/(1 − ŷ)) ŷ ln(1 − ŷ)",
        "struck through where ln is read; ŷ(1 − ŷ)", equal(read * y_hat * (1 - y_hat), auto), bce)
    yield misprint("004:78", "∂L/∂ŷ of binary cross entropy", "−y/ŷ² + (1 − y)/(1 − ŷ)",
        equal(-y / y_hat**2 + (1 - y) / (1 - y_hat), d_loss),
        "−y/ŷ + (1 − y)/(1 − ŷ)", equal(read, d_loss), bce)
    yield unreadable("004:80", "the numerator over ŷ(1 − ŷ)", "−y + y/ŷ + ŷ − yŷ",
        "struck through where a fraction is read; −y + yŷ + ŷ − yŷ",
        equal(-y + y * y_hat + y_hat - y * y_hat, auto), bce)
    yield unreadable("004:84", "remark beside δᴸ = ŷ − y", "δᴸ is Cross Entropy loss",
        "one letter; δᴸ if the loss is cross entropy", equal(y_hat - y, auto), bce)


def _categorical() -> Claims:
    """Categorical cross entropy, and binary as its case of two classes."""
    cross_entropy, bce = functional.cross_entropy, functional.binary_cross_entropy
    z, y_hat, y, t = classes_example()
    mean = -(y * y_hat.log()).sum() / len(z)
    delta = gradient(cross_entropy(z, t, reduction="sum"), z)
    auto = gradient(F.cross_entropy(z, t, reduction="sum"), z)
    z2, a, y1 = binary_example()
    two = torch.stack([torch.zeros_like(z2), z2], 1)  # softmax of (0, z) is (1 − σ(z), σ(z))
    p, target = torch.softmax(two, 1), torch.stack([1 - y1, y1], 1)
    of_two = -(target[:, 1] * p[:, 1].log() + target[:, 0] * p[:, 0].log()).mean()
    total = -(y1 * a.log() + (1 - y1) * (1 - a).log()).sum()
    yield unreadable("000:57", "categorical cross entropy", "−(1/N) Σᵢ∈N Σⱼ∈C y_nji log ŷ_nji",
        "the commas between the indices; y_n,i log ŷ_n,i as in note 004",
        equal(mean, cross_entropy(z, t), F.cross_entropy(z, t)), cross_entropy)
    yield agrees("004:112", "categorical cross entropy", "−(1/N) Σₙ Σᵢ yₙᵢ log ŷₙᵢ",
        equal(mean, cross_entropy(z, t), F.cross_entropy(z, t)), cross_entropy)
    for at in ("000:69", "000:79", "004:137"):
        yield agrees(at, "∂L/∂z = ∂L/∂a · ∂a/∂z under softmax, one example", "ŷᵢ − yᵢ",
            equal(y_hat - y, auto, delta), cross_entropy)
    for at in ("000:61", "004:119"):
        yield agrees(at, "the same for two classes", "−(1/N) Σₙ (yₙ₁ log ŷₙ₁ + yₙ₀ log ŷₙ₀)",
            equal(of_two, cross_entropy(two, target)), cross_entropy)
    yield unreadable("000:63", "the target of the other class", "yₙ₀ = 1 − ȳₙ₁",
        "what the bar is; a stroke, for yₙ₀ = 1 − yₙ₁ stands in note 004",
        equal(1 - y1, target[:, 0]), bce)
    yield from equations(bce,
        ("004:127", "with yₙ₀ = 1 − yₙ₁ it is binary cross entropy (its mean; line 42 is the sum)",
         "(in words)", of_two, bce(a, y1), F.binary_cross_entropy(a, y1)),
        ("004:42", "binary cross entropy of m examples", "−Σ (yᵢ log ŷᵢ + (1 − yᵢ) log(1 − ŷᵢ))",
         total, bce(a, y1, reduction="sum")))
