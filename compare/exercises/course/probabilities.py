"""Softmax, log-softmax, cross entropy, and what is left of them in floating point."""

import torch
from torch import Tensor

from compare.exercises.exercise import (
    AXIS,
    FACTOR,
    INCOMING,
    MISSING,
    SIGN,
    SUM,
    TARGET,
    TERM,
    ZERO,
    Draw,
    Exercise,
    Scope,
    Source,
)
from manual_backprop.activation.log_sigmoid import LogSigmoidFunction
from manual_backprop.activation.softmax import (
    LogSoftmaxFunction,
    SoftmaxFunction,
    log_softmax_gradient,
)
from manual_backprop.loss.cross_entropy import CrossEntropyFunction
from manual_backprop.loss.nll import nll_gradient


def mean_cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """L = −(1/m) Σ y ln ŷ, ŷ = softmax(z)."""
    log_y_hat = torch.log_softmax(z, dim=1)
    return -(y * log_y_hat).sum() / len(y)


def mean_nll(log_a: Tensor, t: Tensor) -> Tensor:
    """L = −(1/m) Σ ℓ_nt."""
    return -log_a[torch.arange(len(t)), t].mean()


def _far(d: Draw) -> Scope:
    """Whole numbers, and ones at which σ is all but 0 or 1."""
    z = d("mi")
    return {"z": z if d.whole else 400 * z, "g": d.not_zero("mi")}


EXERCISES = [
    Exercise(
        "softmax",
        "softmax_gradient",
        "Softmax",
        "∂L/∂z",
        """a = softmax(z): a_k = e^{z_k} / Σ_j e^{z_j}, along each row
g (m, c)   ∂L/∂a, the incoming gradient; a (m, c)""",
        Source(
            SoftmaxFunction.backward,
            "grad_input =",
            alone=("g", "a"),
            names={"ctx.dim": "1", "input": "z"},
        ),
        lambda d: {"z": d("mc"), "dim": 1, "g": d.not_zero("mc")},
        {"z": [[0.0, 0.0]], "dim": 1, "g": [[8.0, 4.0]]},
        "a = (1/2, 1/2), Σ g a = 6: 1/2 · (8 − 6) and 1/2 · (4 − 6) = [[1, -1]]",
        "∂a_k/∂z_j = a_k([k = j] − a_j): every output depends on every input, so sum over k.",
        "One term is g of the same place, the other one number for the whole row.",
        forward=SoftmaxFunction.forward,
        of=("z",),
        incoming="g",
        also=lambda s: {"a": torch.softmax(s["z"], 1)},
        wrong={
            "g * a": TERM,
            "g * a * (1 - a)": TERM,
            "a * (g - (g * a).sum())": AXIS | {"another argument"},
            "a * (g - g.sum(1, keepdim=True))": MISSING,
            "a * ((g * a).sum(1, keepdim=True) - g)": SIGN,
            "g - (g * a).sum(1, keepdim=True)": MISSING,
            "a * (g + (g * a).sum(1, keepdim=True))": SIGN | {"another operation"},
            "a * (g - (g * a).mean(1, keepdim=True))": {"sum instead of mean"},
        },
        right=(
            "torch.einsum('mk,mkj->mj', g, torch.diag_embed(a) - a[:, :, None] * a[:, None])",
            "a * g - a * (a * g).sum(-1).unsqueeze(-1)",
        ),
        entry="Softmax",
        formula=("g", "", "a"),
    ),
    Exercise(
        "log_softmax",
        "log_softmax_gradient",
        "Log-softmax",
        "∂L/∂z",
        """ℓ = ln softmax(z): ℓ_k = z_k − ln Σ_j e^{z_j}, along each row
g (m, c)   ∂L/∂ℓ, the incoming gradient; log_a (m, c) is ℓ, from the forward""",
        Source(
            log_softmax_gradient,
            "return",
            alone=("g", "log_a"),
            names={"_exp": "torch.exp", "sum_g": "g.sum(1, keepdim=True)", "input": "z"},
        ),
        lambda d: {"z": d("mc"), "dim": 1, "g": d.not_zero("mc")},
        {"z": [[0.0, 0.0]], "dim": 1, "g": [[3.0, 5.0]]},
        "e^ℓ = (1/2, 1/2), Σ g = 8: 3 − 1/2 · 8 and 5 − 1/2 · 8 = [[-1, 1]]",
        "∂ℓ_k/∂z_j = [k = j] − a_j: sum over k.",
        "The probabilities are e raised to what you are given.",
        forward=LogSoftmaxFunction.forward,
        of=("z",),
        incoming="g",
        also=lambda s: {"log_a": torch.log_softmax(s["z"], 1)},
        wrong={
            "g": TERM | {"missing activation derivative"},
            "g - log_a * g.sum(1, keepdim=True)": {"missing step", "call lost"},
            "g - torch.exp(log_a) * g": TERM | {"missing step"},
            "g + torch.exp(log_a) * g.sum(1, keepdim=True)": SIGN
            | {"another operation", "another number"},
            "g - torch.exp(log_a) * g.sum(0, keepdim=True)": AXIS,
            "torch.exp(log_a) * (g - (g * torch.exp(log_a)).sum(1, keepdim=True))": {
                "another function",
                "unknown",
                "missing cross term",
            },
            "g - torch.exp(log_a) * g.mean(1, keepdim=True)": {"sum instead of mean"},
        },
        right=(
            "torch.addcmul(g, log_a.exp(), g.sum(1, keepdim=True), value=-1)",
            "g - log_a.softmax(1) * g.sum(-1)[:, None]",
        ),
        entry="LogSoftmax",
        formula=("g", "", ""),
    ),
    Exercise(
        "nll",
        "nll_gradient",
        "The negative log-likelihood of classes",
        "∂L/∂ℓ",
        """L = −(1/m) Σ_n ℓ_{n,t_n}: the log-probability of each sample's class, averaged over m
log_a (m, c)   ℓ; t (m) the classes, integers; g = ∂L/∂L, a single number""",
        Source(
            nll_gradient,
            "grad_input = ",
            alone=("g", "log_a", "t"),
            names={
                "g.new_zeros(shape)": "torch.zeros_like(log_a)",
                "t.unsqueeze(dim)": "t[:, None]",
                "one_hot": "(-g / len(t)).expand(len(t), 1)",
                "dim": "1",
                "grad_input = grad_input - per_channel": "",
                "grad_input = grad_input - per_class(weight, shape) * g * (ε / shape[dim])": "",
            },
        ),
        lambda d: {"log_a": d("mc"), "t": d.indices("m", "c"), "g": d.not_zero("")},
        {"log_a": [[0, 1], [2, 0]], "t": torch.tensor([1, 0]), "g": 4.0},
        "−4/2 at class 1 of the first and class 0 of the second = [[0, -2], [-2, 0]]",
        "Only one ℓ of each row is in L.",
        "torch.nn.functional.one_hot, scatter, or an index: each puts something at the class alone.",
        forward=mean_nll,
        of=("log_a",),
        incoming="g",
        wrong={
            "torch.zeros_like(log_a).scatter(1, t[:, None], (g / len(t)).expand(len(t), 1))": SIGN,
            "torch.zeros_like(log_a).scatter(1, t[:, None], (-g).expand(len(t), 1))": SUM,
            "torch.zeros_like(log_a).scatter(1, t[:, None], (-1 / (g / g * len(t))).expand(len(t), 1))": INCOMING,
            "-g / len(t) * log_a": {"unknown", "partly wrong", "another tensor"},
            "torch.full_like(log_a, -g / len(t))": {
                "partly wrong",
                "unknown",
                "something added",
            },
            "-g / log_a.numel() * torch.nn.functional.one_hot(t, log_a.shape[1])": FACTOR
            | {"extra factor"},
            "log_a * 0": ZERO,
        },
        right=(
            "-g / len(t) * torch.nn.functional.one_hot(t, log_a.shape[1])",
            "grad = torch.zeros_like(log_a)\ngrad[torch.arange(len(t)), t] = -g / len(t)\nreturn grad",
        ),
    ),
    Exercise(
        "cross_entropy",
        "cross_entropy_gradient",
        "Cross entropy of logits",
        "∂L/∂z",
        """L = −(1/m) Σ y ln ŷ, ŷ = softmax(z), averaged over m samples
log_y_hat (m, c)   ln ŷ, from the forward; y (m, c) the targets, one-hot rows
g                  ∂L/∂L, a single number""",
        Source(
            CrossEntropyFunction.backward,
            "grad_input = -y",
            alone=("g", "log_y_hat", "y"),
            names={
                "minus_y": "-y * (g / len(y))",
                "minus_sum": "-(g / len(y))",
                "log_ŷ": "log_y_hat",
                "_exp": "torch.exp",
            },
            inline={"log_softmax_gradient": log_softmax_gradient},
        ),
        lambda d: {"z": d("mc"), "y": d.one_hot("mc"), "g": d.not_zero("")},
        {"z": [[0.0, 0.0]], "y": [[1, 0]], "g": 2.0},
        "ŷ = (1/2, 1/2), m = 1: 2 · (1/2 − 1) and 2 · (1/2 − 0) = [[-1, 1]]",
        "Lecture note 004: δᴸ = ŷ − y of each sample; here there is also a mean, and the incoming gradient.",
        "The probabilities are e raised to what you are given; how many samples share the mean?",
        forward=mean_cross_entropy,
        of=("z",),
        incoming="g",
        also=lambda s: {"log_y_hat": torch.log_softmax(s["z"], 1)},
        wrong={
            "g * (torch.exp(log_y_hat) - y)": SUM,
            "g * (y - torch.exp(log_y_hat)) / len(y)": SIGN,
            "g * (log_y_hat - y) / len(y)": {"missing step"},
            "g * torch.exp(log_y_hat) / len(y)": TARGET,
            "(torch.exp(log_y_hat) - y) / len(y)": INCOMING | {"missing factor"},
            "g * (torch.exp(log_y_hat) - y) / y.numel()": FACTOR
            | {"extra factor", "constant factor"},
            "-g * y / len(y)": TERM,
        },
        right=(
            "g / len(y) * (log_y_hat.exp() - y)",
            "(torch.softmax(log_y_hat, 1) - y) * (g / y.shape[0])",
        ),
    ),
    Exercise(
        "stability",
        "log_sigmoid_gradient",
        "Numerical stability",
        "∂L/∂z",
        """a = ln σ(z), elementwise; g = ∂L/∂a, the incoming gradient
z may be far from 0: 1000 or −1000. Each number must be right to nine digits, even a tiny one.""",
        Source(
            LogSigmoidFunction.backward,
            "return",
            alone=("g", "z"),
            names={"input": "z"},
        ),
        _far,
        {"z": [[0.0]], "g": [[4.0]]},
        "1 − σ(0) = 1/2: 4 · 1/2 = [[2]]",
        "a = −ln(1 + e⁻ᶻ), so ∂a/∂z = e⁻ᶻ/(1 + e⁻ᶻ) = 1 − σ(z). Which form keeps its digits?",
        "1 − σ(z) loses all digits for large z, e⁻ᶻ overflows for small z. σ has a symmetry.",
        forward=LogSigmoidFunction.forward,
        of=("z",),
        incoming="g",
        relative=True,
        wrong={
            "g * (1 - torch.sigmoid(z))": {"cancellation"},
            "g * torch.exp(-z) / (1 + torch.exp(-z))": {"overflow"},
            "g * torch.sigmoid(z)": {"sign", "another tensor"},
            "torch.sigmoid(-z)": INCOMING | MISSING,
            "-g * torch.sigmoid(-z)": SIGN,
            "g * (1 - 1 / (1 + torch.exp(-z)))": {"cancellation"},
            "g / torch.sigmoid(z) * torch.sigmoid(z) * (1 - torch.sigmoid(z))": {"overflow"},
        },
        right=("g / (1 + torch.exp(z))", "torch.sigmoid(-z).mul(g)"),
    ),
]
