"""The fourteen systems of the lecture notes, and the modules that recompute them."""

from importlib import import_module

from compare.notes.row import Row

SYSTEMS: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("Perceptron", ("perceptron",)),
    2: ("Sigmoid neuron", ("sigmoid_neuron",)),
    3: ("Gradient descent for one sigmoid neuron", ("descent",)),
    4: ("Why the opposite of the gradient", ("taylor",)),
    5: ("Activations and their derivatives", ("activations",)),
    6: ("Feed-forward network", ("feedforward",)),
    7: ("Losses and their δᴸ", ("losses", "output_delta")),
    8: ("The four equations", ("four_equations", "layouts")),
    9: ("The MNIST network", ("mnist", "mnist_training")),
    10: ("Momentum", ("momentum",)),
    11: ("The trouble with squared error", ("trouble",)),
    12: ("The deep thin network", ("deep_thin",)),
    13: ("The worked example", ("worked_example",)),
    14: ("Approximation by one hidden layer", ("approximation",)),
}


def rows_of(system: int) -> list[Row]:
    """All rows of a system. What cannot be computed at all is a row that fails, not the end."""
    rows: list[Row] = []
    for module in SYSTEMS[system][1]:
        try:
            rows.extend(import_module(f"compare.notes.{module}").rows())
        except Exception as error:  # whatever it is, the other systems still have their say
            what = f"{type(error).__name__}: {error}"
            code = f"compare.notes.{module}.rows"
            rows.append(Row("", "stopped by an error", "", what, "differs", code, False))
    return rows
