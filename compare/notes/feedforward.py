"""System 6: the feed-forward network, its shapes, and how many parameters it has.

The notes' own example: 3 inputs, hidden layers of 5 and 4 neurons, 3 outputs, so L = 3; samples
in columns, W (out, in). ``manual_backprop.Network`` has samples in rows, its a is transposed here.
"""

import torch
from torch import Tensor

from compare.notes.claim import Claims, agrees, equal, equations, fact, misprint, unreadable
from manual_backprop import Network, functional

SIZES = (3, 5, 4, 3)


def random_network(
    sizes: tuple[int, ...], activation: str, loss: str, samples: int, seed: int
) -> tuple[Network, Tensor]:
    """A float64 network with normally distributed weights and biases, and x (samples, n⁰)."""
    generator = torch.Generator().manual_seed(seed)
    network = Network(sizes, activation, loss, dtype=torch.float64)
    for tensor in (*network.weights, *network.biases):
        tensor.normal_(generator=generator)
    return network, torch.randn(samples, sizes[0], generator=generator, dtype=torch.float64)


# fmt: off
def claims() -> Claims:
    """Note 002, lines 419 to 538."""
    network, x = random_network(SIZES, "sigmoid", "bce", samples=7, seed=8)
    network.forward(x)
    yield from _forward(network)
    yield from _sizes(network)
    yield from _training(network, x)


def _forward(network: Network) -> Claims:
    W1, W2, W3 = network.weights
    b1, b2, b3 = (b.unsqueeze(1) for b in network.biases)
    a0, a1, a2, y_hat = (a.T for a in network.a)
    z1, z2, z3 = (z.T for z in network.z)
    g = torch.sigmoid
    first = torch.stack([(W1[j] * a0[:, 0]).sum() + b1[j, 0] for j in range(5)])
    second = torch.stack([(W2[j] * a1[:, 0]).sum() + b2[j, 0] for j in range(4)])
    with_each_b = torch.stack([(W3 @ a2)[j] + b3[j] for j in range(3)])

    def f(i: int, a: Tensor) -> Tensor:
        return g(network.weights[i - 1] @ a + network.biases[i - 1].unsqueeze(1))

    yield agrees("002:419", "input is layer 0, then L − 1 hidden layers, then k neurons",
        "n inputs, L − 1, 1 layer of k",
        fact(len(network.weights) == len(a0) == len(y_hat) == 3,
             "3-5-4-3: L = 3, so 2 hidden layers; 3 inputs, k = 3"), Network)
    yield from equations(Network.forward,
        ("002:438", "aggregation at layer i", "zⁱ = Wⁱaⁱ⁻¹ + bⁱ", W3 @ a2 + b3, z3),
        ("002:438", "aggregation at the first hidden layer", "z¹ = W¹a⁰ + b¹", W1 @ a0 + b1, z1),
        ("002:441", "the same, element by element", "z¹ⱼ = Σ W_ji xᵢ + bⱼ", first, z1[:, 0]),
        ("002:445", "activation at layer i", "g(zⁱ) = g(bⁱ + Wⁱaⁱ⁻¹)", g(b2 + W2 @ a1), a2),
        ("002:445", "activation at the first hidden layer", "g(b¹ + W¹a⁰)", g(b1 + W1 @ a0), a1),
        ("002:460", "activation of one neuron", "1/(1 + e^−z₁)", 1 / (1 + (-z1[0]).exp()), a1[0]),
        ("002:465", "aggregation at the second hidden layer", "z² = W²a¹ + b²", W2 @ a1 + b2, z2),
        ("002:467", "the same, element by element", "z²ⱼ = Σ W_ji aᵢ + bⱼ", second, z2[:, 0]),
        ("002:471", "activation at layer 2", "g(z²) = g(b² + W²a¹)", g(b2 + W2 @ a1), a2),
        ("002:477", "aggregation at the output", "zᴸ = Wᴸaᴸ⁻¹ + bᴸ", W3 @ a2 + b3, z3),
        ("002:486", "activation at the output", "ŷ = g(Wᴸaᴸ⁻¹ + bᴸ)", g(W3 @ a2 + b3), y_hat))
    yield misprint("002:467", "last entry of the 4 × 5 matrix W²", "W₅₅",
        fact(len(W2) >= 5, f"W² is {W2.shape[0]} × {W2.shape[1]}, it has no row 5"),
        "W₄₅", fact(W2.shape == (4, 5), "row 4, column 5"), Network.forward)
    yield misprint("002:480", "the three outputs, written out",
        "z₁ = … + b, z₂ = … + b, z₃ = … + b", equal(W3 @ a2 + b3[0], z3),
        "b₁, b₂, b₃, as bᴸ ∈ Rᵏ in line 538", equal(with_each_b, z3), Network.forward)
    yield from equations(Network.forward,
        ("002:492", "the network as one function", "f⁽ᴸ⁾(f⁽ᴸ⁻¹⁾(… f⁽²⁾(f⁽¹⁾(X))))",
         f(3, f(2, f(1, a0))), y_hat),
        ("002:517", "the same with its weights", "ŷ = g(W³g(W²g(W¹x + b¹) + b²) + b³)",
         g(W3 @ g(W2 @ g(W1 @ a0 + b1) + b2) + b3), y_hat))


def _sizes(network: Network) -> Claims:
    """How many weights and biases; those of layer l are weights[l] and biases[l]."""
    n, k, L = SIZES, SIZES[-1], len(SIZES) - 1
    weights, biases = ([0] + [p.numel() for p in ps] for ps in (network.weights, network.biases))
    hidden = range(1, L)
    last = L - 1  # i, counted as in line 432: 0 < i < L
    weights_as_printed = [(L - 1) * n[i] * n[i - 1] + n[2] * k for i in hidden]
    biases_as_printed = [(L - 1) * n[i] + k for i in hidden]
    yield agrees("002:432", "sizes of Wⁱ and bⁱ, hidden layers", "nⁱ·nⁱ⁻¹ and nⁱ",
        fact(all(weights[i] == n[i] * n[i - 1] and biases[i] == n[i] for i in hidden),
             "5·3 and 5, 4·5 and 4"), Network)
    yield misprint("002:434", "sizes of Wᴸ and bᴸ", "nᵏ·nⁱ⁻¹ and nᵏ",
        fact(k * n[last - 1] == weights[L],
             f"k·nⁱ⁻¹ = {k * n[last - 1]} at the last hidden i, and k is no layer"), "k·nᴸ⁻¹ and k",
        fact((k * n[L - 1], k) == (weights[L], biases[L]), f"{weights[L]} and {biases[L]}"),
        Network)
    for at, layer, l, printed, wanted in (
        ("002:498", "¹", 1, "n¹·n and n¹", (n[1] * n[0], n[1])),
        ("002:500", "²", 2, "n²·n¹ and n²", (n[2] * n[1], n[2])),
        ("002:502", "ᴸ", L, "k·n² and k", (k * n[2], k)),
    ):
        yield agrees(at, f"sizes of W{layer} and b{layer} in the example", printed,
            fact(wanted == (weights[l], biases[l]), f"{weights[l]} and {biases[l]}"), Network)
    yield misprint("002:508", "number of weights", "(L − 1)·(nⁱ·nⁱ⁻¹) + n²·k",
        fact(sum(weights) in weights_as_printed, _for_each_i(weights_as_printed)),
        "Σᵢ nⁱ·nⁱ⁻¹ + nᴸ⁻¹·k, 0 < i < L",
        fact(sum(n[i] * n[i - 1] for i in hidden) + n[L - 1] * k == sum(weights),
             f"{sum(weights)}"), Network)
    yield misprint("002:510", "number of biases", "(L − 1)·nⁱ + k",
        fact(sum(biases) in biases_as_printed, _for_each_i(biases_as_printed)),
        "Σᵢ nⁱ + k, 0 < i < L",
        fact(sum(n[i] for i in hidden) + k == sum(biases), f"{sum(biases)}"), Network)


def _for_each_i(counts: list[int]) -> str:
    return " or ".join(f"{count} (i = {i})" for i, count in enumerate(counts, 1))


def _training(network: Network, x: Tensor) -> Claims:
    """Loss, shapes of the gradients, and gradient descent."""
    n, k, m = SIZES, SIZES[-1], len(x)
    y = torch.rand(m, k, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    y_hat = network.forward(x)
    below = (y_hat - 1000 - y).sum() / m
    grads = network.backward(y)
    dW1, dW2, dWL = (W.shape for W in grads.weights)
    yield misprint("002:524", "sum of squared errors, to be minimised", "(1/N) Σᵢ Σⱼ (ŷⱼ − yⱼ)",
        fact(below >= 0, f"{below:.0f} at ŷ − 1000, no minimum"), "(1/m) Σᵢ Σⱼ (ŷⱼ − yⱼ)²",
        equal(((y_hat - y) ** 2).sum() / m, functional.mse_loss(y_hat, y, reduction="sum") / m),
        functional.mse_loss)
    yield misprint("002:537", "shape of ∇Wⁱ", "nⁱ⁻¹ × nⁱ",
        fact(dW1 == (n[0], n[1]), "3 × 5 for W¹"), "nⁱ × nⁱ⁻¹, that of Wⁱ in zⁱ = Wⁱaⁱ⁻¹ + bⁱ",
        fact(dW1 == (n[1], n[0]) and dW2 == (n[2], n[1]), "5 × 3 for W¹, 4 × 5 for W²"),
        Network.backward)
    yield misprint("002:537", "shape of ∇Wᴸ", "n × k", fact(dWL == (n[0], k), "3 × 3"),
        "k × nᴸ⁻¹", fact(dWL == (k, n[2]), "3 × 4"), Network.backward)
    yield agrees("002:538", "shapes of ∇bⁱ and ∇bᴸ", "Rⁿⁱ and Rᵏ",
        fact([len(b) for b in grads.biases] == [n[1], n[2], k], "5, 4 and 3"), Network.backward)
    yield unreadable("002:532", "what ∇θ is made of", "[∂L/∂W_t, ∂L/∂h_t]ᵀ",
        "the letter h; b, the other parameter in θ₀", None, Network.backward)
    wanted = [W - 0.1 * grad for W, grad in zip(network.weights, grads.weights, strict=True)]
    network.step(x, y, lr=0.1)
    steps = [equal(after, W) for after, W in zip(wanted, network.weights, strict=True)]
    yield agrees("002:532", "a step of gradient descent on all weights", "θ ← θ − η∇θ",
        fact(all(step.holds for step in steps), ", ".join(step.shown for step in steps)),
        Network.step)
