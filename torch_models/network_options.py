"""The options of every command on our networks, and what of them goes together. Without torch."""

import argparse

from torch_models.arguments import folder, integer, number
from torch_models.names import ACTIVATIONS, ATTENTIONS, DATASETS, LOSSES
from torch_models.recipes import OF_THE_PERCEPTRON, RECIPES, Recipe, each

#: Wider layers are more likely a slip of the finger than a wish; their weights fill the memory.
WIDEST = 65_536


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what data to use, and the seed."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--dataset",
        choices=DATASETS,
        default="auto",
        help="auto (the default) is mnist if it is in the data folder or can be "
        "downloaded, else scikit-learn's 1,797 scanned digits, with a warning; for gpt it is text",
    )
    group.add_argument(
        "--data-dir",
        type=folder,
        default="data",
        metavar="DIR",
        help="folder for MNIST/raw and FashionMNIST/raw (default: %(default)s)",
    )
    group.add_argument(
        "--text-dir",
        type=folder,
        metavar="DIR",
        help="folder of the text: all .txt, .md, .rst and .py files below it (default: the "
        ".py files of Python's standard library)",
    )
    group.add_argument(
        "--seed",
        type=integer(0, 2**32 - 1),
        default=0,
        help="random seed: initial weights, validation images and their order (default: "
        "%(default)s)",
    )


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what network to build."""
    group = parser.add_argument_group("network")
    add_network_option(group)
    group.add_argument(
        "--hidden",
        type=integer(1, WIDEST),
        nargs="+",
        metavar="N",
        help="mlp only: neurons of each hidden layer (default: 160)",
    )
    group.add_argument(
        "--activation",
        choices=ACTIVATIONS,
        help="mlp only: activation of the hidden layers (default: relu)",
    )
    group.add_argument(
        "--loss",
        choices=LOSSES,
        help="mlp only; it decides the output layer: logits, LogSoftmax for nll, Sigmoid "
        "for bce, mse and squared-error (default: cross-entropy, which all other networks use)",
    )
    group.add_argument(
        "--attention",
        choices=ATTENTIONS,
        default="whole",
        help="hand-written gpt only: blocks recomputes the scores block by block in the "
        "backward, so that memory grows linearly with the context, not quadratically "
        "(default: %(default)s)",
    )


def add_network_option(group: argparse._ActionsContainer) -> None:
    """``--network`` alone."""
    group.add_argument(
        "--network",
        choices=RECIPES,
        default="mlp",
        help="; ".join(f"{name}: {recipe.what}" for name, recipe in RECIPES.items())
        + " (default: %(default)s)",
    )


def add_descent_options(group: argparse._ArgumentGroup) -> None:
    """Learning rate, momentum, and what tames the descent."""
    group.add_argument(
        "--lr",
        type=number(lambda lr: 0 < lr <= 3e38, "above 0 that fits float32"),
        help=f"learning rate (default: {each('lr')})",
    )
    group.add_argument(
        "--momentum",
        type=number(lambda momentum: 0 <= momentum < 1, "from 0 to below 1"),
        help=f"momentum (default: {each('momentum')})",
    )
    group.add_argument(
        "--warmup",
        type=integer(0),
        metavar="N",
        help=f"steps in which the learning rate rises to --lr (default: {each('warmup')})",
    )
    group.add_argument(
        "--half-life",
        type=integer(0),
        metavar="N",
        help=f"halve the learning rate every N steps; 0 for never (default: {each('half_life')})",
    )
    group.add_argument(
        "--clip",
        type=number(lambda clip: clip >= 0, "of at least 0"),
        metavar="NORM",
        help="clip the norm of all gradients together to NORM; 0 for never (default: "
        f"{each('clip')})",
    )


def settle(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Fill in what the network decides; exits with code 2 where options do not go together."""
    recipe = RECIPES[options.network]
    if options.attention == "blocks" and (options.network, options.backprop) != ("gpt", "manual"):
        parser.error(
            "--attention blocks is a hand-written layer of gpt: use it with --network gpt "
            "and --backprop manual; with autograd the attention is PyTorch's own"
        )
    if options.network != "mlp":
        given = [name for name in OF_THE_PERCEPTRON if getattr(options, name) is not None]
        if given:
            parser.error(
                f"--{', --'.join(given)}: only for mlp; leave it out with --network "
                f"{options.network}"
            )
        if options.backprop == "explicit":
            parser.error(
                "--backprop explicit works only for a multilayer perceptron: with "
                f"--network {options.network} use autograd or manual"
            )
    for name, default in OF_THE_PERCEPTRON.items():
        if getattr(options, name) is None:
            setattr(options, name, default)
    for name in ("lr", "momentum", "batch_size", "warmup", "half_life", "clip"):
        if getattr(options, name, 0) is None:
            setattr(options, name, getattr(recipe, name))
    tamed = any(getattr(options, name, 0) for name in ("warmup", "half_life", "clip"))
    if options.backprop == "explicit" and tamed:
        parser.error(
            "--backprop explicit adds its gradients straight to the velocities, at a "
            "constant learning rate: leave out --warmup, --half-life and --clip"
        )
    _settle_data(parser, options, recipe)


def _settle_data(
    parser: argparse.ArgumentParser, options: argparse.Namespace, recipe: Recipe
) -> None:
    if options.dataset == "auto" and "text" in recipe.epochs:
        options.dataset = "text"
    if options.dataset not in ("auto", *recipe.epochs):
        parser.error(
            f"--dataset {options.dataset} does not fit {options.network}: choose from "
            f"{', '.join(recipe.epochs)}"
        )
    if options.text_dir is not None and options.dataset != "text":
        parser.error(f"--text-dir: {options.network} does not read text; only gpt does")
