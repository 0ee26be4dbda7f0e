"""``show``: one sample through a small network, forward and back, every number beside its equation.

python -m compare.exercises show
python -m compare.exercises show --sizes 2,3,3,1 --activation relu --loss bce --html steps.html
"""

import argparse
from typing import TYPE_CHECKING

from compare.command.argument_types import new_file, shape
from torch_models.arguments import integer

if TYPE_CHECKING:
    from torch import Tensor

    from manual_backprop import Network

_LARGEST = 8  # neurons in a layer, and layers: more than that nobody reads


def sizes(text: str) -> tuple[int, ...]:
    """An argparse type: a network that can be taken in at a glance."""
    found = shape(text)
    if not 2 <= len(found) <= _LARGEST or not all(1 <= n <= _LARGEST for n in found):
        raise argparse.ArgumentTypeError(
            f"expected 2 to {_LARGEST} layers of 1 to {_LARGEST} neurons, "
            f"such as 3,4,2, got {text!r}"
        )
    return found


def add_options(parser: argparse.ArgumentParser) -> None:
    """What network, and where the page goes."""
    from torch_models.names import ACTIVATIONS

    parser.add_argument(
        "--sizes",
        type=sizes,
        default=(3, 4, 2),
        help="neurons of each layer, inputs first (default: 3,4,2)",
    )
    parser.add_argument(
        "--activation",
        choices=ACTIVATIONS,
        default="sigmoid",
        help="activation of the hidden layers (default: %(default)s)",
    )
    parser.add_argument(
        "--loss",
        choices=("cross-entropy", "bce", "squared-error", "mse"),
        default="cross-entropy",
        help="loss (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=integer(0, 2**32 - 1),
        default=0,
        help="seed of the weights and the sample (default: %(default)s)",
    )
    parser.add_argument(
        "--html", type=new_file, metavar="FILE", help="also write it as an HTML page"
    )


def show(options: argparse.Namespace) -> bool:
    """Print every step, and write the page where one is asked for."""
    from compare.command import console
    from compare.command.writing import write_text
    from compare.exercises.show import in_terminal, page
    from compare.exercises.show.step_by_step import steps
    from compare.trial.errors import ComparisonError

    if options.sizes[-1] == 1 and options.loss == "cross-entropy":
        raise ComparisonError("cross-entropy needs at least 2 outputs: use --loss bce for one")
    network, x, y = small(options)
    found = steps(network, x, y)
    out = console.stdout()
    in_terminal.show(out, network, found)
    if options.html:
        write_text(options.html, page.page(network, found), "--html")
        console.say(out, f"page  {options.html}")
    return True


def small(options: argparse.Namespace) -> "tuple[Network, Tensor, Tensor]":
    """The network and one sample of it, in numbers that can be computed with on paper."""
    import torch

    from manual_backprop import Network

    drawn = torch.Generator().manual_seed(options.seed)
    network = Network(
        options.sizes, options.activation, options.loss, dtype=torch.float64, generator=drawn
    )
    for parameter in network.weights + network.biases:
        parameter.mul_(10).round_().div_(10)
    inputs, outputs = options.sizes[0], options.sizes[-1]
    x = torch.randint(-4, 5, (1, inputs), generator=drawn).double() / 2
    label = torch.randint(max(outputs, 2), (1,), generator=drawn)
    y = label[None].double() if outputs == 1 else torch.eye(outputs).double()[label]
    return network, x, y
