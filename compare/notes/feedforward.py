"""System 6: the feed-forward network, its shapes, and how many parameters it has.

The notes' own example: 3 inputs, hidden layers of 5 and 4 neurons, 3 outputs, so L = 3; samples
in columns, W (out, in). ``manual_backprop.Network`` has samples in rows, its a is transposed here.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from compare.notes.row import Row, agrees, equal, fact, misprint, unreadable
from manual_backprop import functional
from manual_backprop.network import Network

SIZES = (3, 5, 4, 3)
FORWARD = "manual_backprop.Network.forward"
SHAPES = "manual_backprop.Network"


def random_network(
    sizes: tuple[int, ...], activation: str, loss: str, samples: int, seed: int
) -> tuple[Network, Tensor]:
    """A float64 network with normally distributed weights and biases, and x (samples, n⁰)."""
    generator = torch.Generator().manual_seed(seed)
    network = Network(sizes, activation, loss, dtype=torch.float64)
    for tensor in (*network.weights, *network.biases):
        tensor.normal_(generator=generator)
    return network, torch.randn(samples, sizes[0], generator=generator, dtype=torch.float64)


def rows() -> Iterator[Row]:
    """The rows of system 6."""
    network, x = random_network(SIZES, "sigmoid", "bce", samples=7, seed=8)
    network.forward(x)
    W1, W2, W3 = network.weights
    b1, b2, b3 = (b.unsqueeze(1) for b in network.biases)
    a0, a1, a2, y_hat = (a.T for a in network.a)
    z1, z2, z3 = (z.T for z in network.z)
    g = torch.sigmoid
    yield agrees(
        "002:419",
        "input is layer 0, then L − 1 hidden layers, then k neurons",
        "n inputs, L − 1, 1 layer of k",
        fact(
            len(network.weights) == 3 and len(a0) == 3 and len(y_hat) == 3,
            "3-5-4-3: L = 3, so 2 hidden layers; 3 inputs, k = 3",
        ),
        SHAPES,
    )
    element = torch.stack([(W1[j] * a0[:, 0]).sum() + b1[j, 0] for j in range(5)])
    sigmoid_of_1 = 1 / (1 + torch.exp(-z1[0]))
    by_element = torch.stack([(W2[j] * a1[:, 0]).sum() + b2[j, 0] for j in range(4)])
    for line, claim, printed, value, truth in (
        (438, "aggregation at layer i", "zⁱ = Wⁱaⁱ⁻¹ + bⁱ", W3 @ a2 + b3, z3),
        (438, "aggregation at the first hidden layer", "z¹ = W¹a⁰ + b¹", W1 @ a0 + b1, z1),
        (441, "the same, element by element", "z¹ⱼ = Σ W_ji xᵢ + bⱼ", element, z1[:, 0]),
        (445, "activation at layer i", "g(zⁱ) = g(bⁱ + Wⁱaⁱ⁻¹)", g(b2 + W2 @ a1), a2),
        (445, "activation at the first hidden layer", "g(b¹ + W¹a⁰)", g(b1 + W1 @ a0), a1),
        (460, "activation of one neuron", "1/(1 + e^−z₁)", sigmoid_of_1, a1[0]),
        (465, "aggregation at the second hidden layer", "z² = W²a¹ + b²", W2 @ a1 + b2, z2),
        (467, "the same, element by element", "z²ⱼ = Σ W_ji aᵢ + bⱼ", by_element, z2[:, 0]),
        (471, "activation at layer 2", "g(z²) = g(b² + W²a¹)", g(b2 + W2 @ a1), a2),
        (477, "aggregation at the output", "zᴸ = Wᴸaᴸ⁻¹ + bᴸ", W3 @ a2 + b3, z3),
        (486, "activation at the output", "ŷ = g(Wᴸaᴸ⁻¹ + bᴸ)", g(W3 @ a2 + b3), y_hat),
    ):
        yield agrees(f"002:{line}", claim, printed, equal(value, truth), FORWARD)
    yield misprint(
        "002:467",
        "last entry of the 4 × 5 matrix W²",
        "W₅₅",
        fact(W2.shape[0] >= 5, f"W² is {W2.shape[0]} × {W2.shape[1]}, it has no row 5"),
        "W₄₅",
        fact(W2.shape == (4, 5), "row 4, column 5"),
        FORWARD,
    )
    terms = W3 @ a2
    yield misprint(
        "002:480",
        "the three outputs, written out",
        "z₁ = … + b, z₂ = … + b, z₃ = … + b",
        equal(terms + b3[0], z3),
        "b₁, b₂, b₃, as bᴸ ∈ Rᵏ in line 538",
        equal(torch.stack([terms[j] + b3[j] for j in range(3)]), z3),
        FORWARD,
    )

    def layer(i: int, a: Tensor) -> Tensor:
        return g(network.weights[i] @ a + network.biases[i].unsqueeze(1))

    yield agrees(
        "002:492",
        "the network as one function",
        "f⁽ᴸ⁾(f⁽ᴸ⁻¹⁾(… f⁽²⁾(f⁽¹⁾(X))))",
        equal(layer(2, layer(1, layer(0, a0))), y_hat),
        FORWARD,
    )
    yield agrees(
        "002:517",
        "the same with its weights",
        "ŷ = g(W³g(W²g(W¹x + b¹) + b²) + b³)",
        equal(g(W3 @ g(W2 @ g(W1 @ a0 + b1) + b2) + b3), y_hat),
        FORWARD,
    )
    yield from _sizes(network)
    yield from _training(network, x)


def _sizes(network: Network) -> Iterator[Row]:
    """Sizes and counts, printed in lines 432 to 434, 498 to 510 and 537 to 538."""
    n, k, L = SIZES, SIZES[-1], len(SIZES) - 1
    weights = [W.numel() for W in network.weights]
    biases = [b.numel() for b in network.biases]
    hidden = range(1, L)
    yield agrees(
        "002:432",
        "sizes of Wⁱ and bⁱ, hidden layers",
        "nⁱ·nⁱ⁻¹ and nⁱ",
        fact(
            all(weights[i - 1] == n[i] * n[i - 1] and biases[i - 1] == n[i] for i in hidden),
            "5·3 and 5, 4·5 and 4",
        ),
        SHAPES,
    )
    last_hidden = L - 1  # i, counted as in the line before: 0 < i < L
    yield misprint(
        "002:434",
        "sizes of Wᴸ and bᴸ",
        "nᵏ·nⁱ⁻¹ and nᵏ",
        fact(
            k * n[last_hidden - 1] == weights[-1],
            f"k·nⁱ⁻¹ = {k * n[last_hidden - 1]} at the last hidden i, and k is no layer",
        ),
        "k·nᴸ⁻¹ and k",
        fact(k * n[L - 1] == weights[-1] and k == biases[-1], f"{weights[-1]} and {biases[-1]}"),
        SHAPES,
    )
    for line, name, printed, wanted in (
        (498, "¹", "n¹·n and n¹", (n[1] * n[0], n[1])),
        (500, "²", "n²·n¹ and n²", (n[2] * n[1], n[2])),
        (502, "ᴸ", "k·n² and k", (k * n[2], k)),
    ):
        layer = {"¹": 0, "²": 1, "ᴸ": 2}[name]
        yield agrees(
            f"002:{line}",
            f"sizes of W{name} and b{name} in the example",
            printed,
            fact(
                wanted == (weights[layer], biases[layer]), f"{weights[layer]} and {biases[layer]}"
            ),
            SHAPES,
        )
    as_printed = {i: (L - 1) * n[i] * n[i - 1] + n[2] * k for i in hidden}
    yield misprint(
        "002:508",
        "number of weights",
        "(L − 1)·(nⁱ·nⁱ⁻¹) + n²·k",
        fact(
            sum(weights) in as_printed.values(),
            " or ".join(f"{count} (i = {i})" for i, count in as_printed.items()),
        ),
        "Σᵢ nⁱ·nⁱ⁻¹ + nᴸ⁻¹·k, 0 < i < L",
        fact(
            sum(n[i] * n[i - 1] for i in hidden) + n[L - 1] * k == sum(weights), f"{sum(weights)}"
        ),
        SHAPES,
    )
    as_printed = {i: (L - 1) * n[i] + k for i in hidden}
    yield misprint(
        "002:510",
        "number of biases",
        "(L − 1)·nⁱ + k",
        fact(
            sum(biases) in as_printed.values(),
            " or ".join(f"{count} (i = {i})" for i, count in as_printed.items()),
        ),
        "Σᵢ nⁱ + k, 0 < i < L",
        fact(sum(n[i] for i in hidden) + k == sum(biases), f"{sum(biases)}"),
        SHAPES,
    )


def _training(network: Network, x: Tensor) -> Iterator[Row]:
    """Loss, shapes of the gradients, and gradient descent."""
    n, k, m = SIZES, SIZES[-1], len(x)
    y = torch.rand(m, k, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    y_hat = network.forward(x)
    below = y_hat - 1000
    yield misprint(
        "002:524",
        "sum of squared errors, to be minimised",
        "(1/N) Σᵢ Σⱼ (ŷⱼ − yⱼ)",
        fact((below - y).sum() / m >= 0, f"{(below - y).sum() / m:.0f} at ŷ − 1000, no minimum"),
        "(1/m) Σᵢ Σⱼ (ŷⱼ − yⱼ)²",
        equal(
            ((y_hat - y) ** 2).sum() / m,
            functional.mse_loss(y_hat, y, reduction="sum") / m,
        ),
        "manual_backprop.functional.mse_loss",
    )
    grads = network.backward(y)
    shapes = [tuple(W.shape) for W in grads.weights]
    backward = "manual_backprop.Network.backward"
    yield misprint(
        "002:537",
        "shape of ∇Wⁱ",
        "nⁱ⁻¹ × nⁱ",
        fact(shapes[0] == (n[0], n[1]), "3 × 5 for W¹"),
        "nⁱ × nⁱ⁻¹, that of Wⁱ in zⁱ = Wⁱaⁱ⁻¹ + bⁱ",
        fact(shapes[:2] == [(n[1], n[0]), (n[2], n[1])], "5 × 3 for W¹, 4 × 5 for W²"),
        backward,
    )
    yield misprint(
        "002:537",
        "shape of ∇Wᴸ",
        "n × k",
        fact(shapes[2] == (n[0], k), "3 × 3"),
        "k × nᴸ⁻¹",
        fact(shapes[2] == (k, n[2]), "3 × 4"),
        backward,
    )
    yield agrees(
        "002:538",
        "shapes of ∇bⁱ and ∇bᴸ",
        "Rⁿⁱ and Rᵏ",
        fact([len(b) for b in grads.biases] == [n[1], n[2], k], "5, 4 and 3"),
        backward,
    )
    yield unreadable(
        "002:532",
        "what ∇θ is made of",
        "[∂L/∂W_t, ∂L/∂h_t]ᵀ",
        "the letter h; b, the other parameter in θ₀",
        backward,
    )
    before = [W.clone() for W in network.weights]
    network.step(x, y, lr=0.1)
    steps = [
        equal(before_W - 0.1 * grad, W)
        for W, before_W, grad in zip(network.weights, before, grads.weights, strict=True)
    ]
    yield agrees(
        "002:532",
        "a step of gradient descent on all weights",
        "θ ← θ − η∇θ",
        fact(all(step.holds for step in steps), ", ".join(step.shown for step in steps)),
        "manual_backprop.Network.step",
    )
