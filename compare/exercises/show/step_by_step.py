"""One sample through a small network: every step forward, and every step of δ on its way back.

A step is one equation with the numbers in it. The numbers are those of ``manual_backprop.Network``,
which is the recursion of the lecture notes; this file only writes them out.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from compare.catalogue import entries
from manual_backprop import Network
from manual_backprop.activation.table import ACTIVATIONS

FORWARD, LOSS, BACKWARD = "forward", "loss", "backward"

#: Loss → (L, δᴸ): as ``manual_backprop/network/losses.py`` derives them, for one sample.
LOSSES = {
    "cross-entropy": ("−Σ y ln ŷ", "ŷ − y"),
    "bce": ("−(1/k) Σ y ln ŷ + (1 − y) ln(1 − ŷ)", "(ŷ − y)/k"),
    "squared-error": ("½ Σ (ŷ − y)²", "(ŷ − y) ⊙ ŷ(1 − ŷ)"),
    "mse": ("(1/k) Σ (ŷ − y)²", "(2/k)(ŷ − y) ⊙ ŷ(1 − ŷ)"),
}

#: What stands in a line of an equation: a matrix with its name, or a sign between two.
Term = str | tuple[str, Tensor]


class Step(NamedTuple):
    """One equation, and what it comes to."""

    direction: str
    """FORWARD, LOSS or BACKWARD."""
    layer: int
    """The layer l whose weights or neurons it is about, 1 … L."""
    symbol: str
    """What it computes: ``z¹``, ``a¹``, ``L``, ``δ²``, ``∂L/∂W²``."""
    equation: str
    """Its right side, in symbols."""
    terms: list[Term]
    """The same in numbers; a sample is a row."""
    value: Tensor
    """What it comes to, a matrix; (1, 1) for a number."""
    sentence: str
    """Why, in a sentence."""

    def in_numbers(self) -> list[Term]:
        """The equation with its matrices, and what it comes to."""
        equals = [] if self.direction == LOSS else ["="]
        return [*self.terms, *equals, (self.symbol, self.value)]


def raised(number: int) -> str:
    """The number of a layer as the notes write it: ``2`` as ``²``."""
    return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def steps(network: Network, x: Tensor, y: Tensor) -> list[Step]:
    """Every step for one sample.

    Args:
        network: with weights to show; it is run.
        x: the sample, (1, n⁰).
        y: its targets, (1, nᴸ).
    """
    network.forward(x)
    return [*_forward(network), _loss(network, y), *_backward(network, y)]


def _a(network: Network, l: int) -> str:
    if l == 0:
        return "x"
    return "ŷ" if l == len(network.weights) else f"a{raised(l)}"


def _forward(network: Network) -> Iterator[Step]:
    last = len(network.weights)
    output = "softmax" if network.loss == "cross-entropy" else "σ"
    for l in range(1, last + 1):
        W, b, z, a = network.weights[l - 1], network.biases[l - 1], network.z[l - 1], network.a
        i, before = raised(l), _a(network, l - 1)
        yield Step(
            FORWARD,
            l,
            f"z{i}",
            f"{before} W{i}ᵀ + b{i}",
            [(before, a[l - 1]), (f"W{i}ᵀ", W.T), "+", (f"b{i}", b[None])],
            z,
            f"Each neuron of layer {l} takes a weighted sum of the outputs of layer {l - 1} "
            "and adds its bias."
            if l > 1
            else "Each neuron of layer 1 takes a weighted sum of the inputs and adds its bias.",
        )
        σ = output if l == last else "σ"
        if l == last:
            why = "The output: numbers between 0 and 1" + (
                ", which add up to 1." if σ == "softmax" else "; here σ is the sigmoid."
            )
        else:
            why = (
                f"The activation σ, here {network.activation}, is applied to each neuron "
                "separately."
            )
        yield Step(FORWARD, l, _a(network, l), f"{σ}(z{i})", [σ, (f"z{i}", z)], a[l], why)


def _loss(network: Network, y: Tensor) -> Step:
    value, _ = LOSSES[network.loss]
    terms: list[Term] = [("y", y), "and", ("ŷ", network.a[-1]), "give"]
    why = "How far the output is from the target, as one number. What follows are its derivatives."
    loss = network.loss_of(y).reshape(1, 1)
    return Step(LOSS, len(network.weights), "L", value, terms, loss, why)


def _backward(network: Network, y: Tensor) -> Iterator[Step]:
    deltas, weights, biases = network.backward(y)
    last = len(network.weights)
    for l in range(last, 0, -1):
        i, δ = raised(l), deltas[l - 1]
        yield _output_delta(network, y, δ) if l == last else _hidden_delta(network, l, deltas)
        before = _a(network, l - 1)
        yield Step(
            BACKWARD,
            l,
            f"∂L/∂W{i}",
            f"δ{i}ᵀ {before}",
            [(f"δ{i}ᵀ", δ.T), (before, network.a[l - 1])],
            weights[l - 1],
            "The gradient of a weight: the δ of the neuron it leads to, times the input "
            "that went through it.",
        )
        yield Step(
            BACKWARD,
            l,
            f"∂L/∂b{i}",
            f"δ{i}",
            [(f"δ{i}", δ)],
            biases[l - 1][None],
            "A bias is a weight whose input is always 1.",
        )


def _output_delta(network: Network, y: Tensor, δ: Tensor) -> Step:
    i, ŷ = raised(len(network.weights)), network.a[-1]
    _, equation = LOSSES[network.loss]
    terms: list[Term] = (
        ["(", ("ŷ", ŷ), "−", ("y", y), ")"] if equation != "ŷ − y" else [("ŷ", ŷ), "−", ("y", y)]
    )
    if equation.startswith("(2/k)"):
        terms.insert(0, f"2/{ŷ.shape[1]}")
    if equation.endswith("/k"):
        terms.append(f"/ {ŷ.shape[1]}")
    if "⊙" in equation:
        terms += ["⊙", ("ŷ(1 − ŷ)", ŷ * (1 - ŷ))]
    sentence = f"δ is the derivative of L with respect to z. At the output it is {equation}."
    return Step(BACKWARD, len(network.weights), f"δ{i}", equation, terms, δ, sentence)


def _hidden_delta(network: Network, l: int, deltas: list[Tensor]) -> Step:
    i, after = raised(l), raised(l + 1)
    W, δ, z, a = network.weights[l], deltas[l], network.z[l - 1], network.a[l]
    slope = ACTIVATIONS[network.activation].gradient(torch.ones_like(z), z, a)
    equation = f"(δ{after} W{after}) ⊙ σ′(z{i})"
    return Step(
        BACKWARD,
        l,
        f"δ{i}",
        equation,
        ["(", (f"δ{after}", δ), (f"W{after}", W), ")", "⊙", (f"σ′(z{i})", slope)],
        deltas[l - 1],
        f"δ goes back through the same weights, then through σ: with g = δ{after} W{after}, "
        f"{network.activation} gives {_rule(network.activation)}.",
    )


def _rule(activation: str) -> str:
    """How its backward is written where it is derived."""
    names = {entry.name.lower(): entry.equation for entry in entries()}
    return names[activation.replace("-", "")].removeprefix("∂L/∂z = ")
