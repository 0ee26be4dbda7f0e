"""The fourteen systems of the lecture notes, and the files that recompute them."""

from importlib import import_module

from compare.notes.claim import Claim

SYSTEMS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("Perceptron", ("perceptron_rule",)),
    2: ("Sigmoid neuron", ("sigmoid_neuron",)),
    3: ("Gradient descent for one sigmoid neuron", ("descent",)),
    4: ("Why the opposite of the gradient", ("taylor",)),
    5: ("Activations and their derivatives", ("activation_slopes",)),
    6: ("Feed-forward network", ("feedforward",)),
    7: ("Losses and their δᴸ", ("loss_gradients", "output_delta")),
    8: ("The four equations", ("four_equations", "weights_in_out")),
    9: ("The MNIST network", ("mnist_equations", "mnist_training")),
    10: ("Momentum", ("momentum",)),
    11: ("The trouble with squared error", ("trouble",)),
    12: ("The deep thin network", ("deep_thin",)),
    13: ("The worked example", ("worked_example",)),
    14: ("Approximation by one hidden layer", ("approximation",)),
}


def claims_of(system: int) -> list[Claim]:
    """All claims of a system. What cannot be computed at all is one that fails, not the end."""
    found: list[Claim] = []
    for name in SYSTEMS[system][1]:
        file = import_module(f"compare.notes.{name}")
        try:
            found.extend(file.claims())
        except Exception as error:  # whatever it is, the other systems still have their say
            what = f"{type(error).__name__}: {error}"
            found.append(Claim("", "stopped by an error", "", what, "differs", file.claims, False))
    return found
