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
        help="auto (the default) is mnist where the data folder has it or it can be downloaded, "
        "else digits, scikit-learn's 1,797 scans, with a warning; for gpt it is text",
    )
    group.add_argument(
        "--data-dir",
        type=folder,
        default="data",
        metavar="DIR",
        help="folder that has or gets MNIST/raw and FashionMNIST/raw (default: %(default)s)",
    )
    group.add_argument(
        "--text-dir",
        type=folder,
        metavar="DIR",
        help="text is all .txt, .md, .rst and .py files below it (default: the .py files of "
        "Python's own standard library)",
    )
    group.add_argument(
        "--seed",
        type=integer(0, 2**32 - 1),
        default=0,
        help="decides initial weights, validation images and order (default: %(default)s)",
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
        help="of mlp: neurons of each hidden layer (default: 160)",
    )
    group.add_argument(
        "--activation", choices=ACTIVATIONS, help="of mlp's hidden layers (default: relu)"
    )
    group.add_argument(
        "--loss",
        choices=LOSSES,
        help="of mlp, whose output layer follows from it: logits, LogSoftmax for nll, Sigmoid for "
        "bce, mse and squared-error (default: cross-entropy, as of all other networks)",
    )
    group.add_argument(
        "--attention",
        choices=ATTENTIONS,
        default="whole",
        help="of gpt by hand: blocks computes the scores again in the backward, block by block, "
        "in memory that grows with the context and not with its square (default: %(default)s)",
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
        type=number(lambda lr: 0 < lr <= 3e38, "above 0 that float32 can hold"),
        help=f"learning rate (default: {each('lr')})",
    )
    group.add_argument(
        "--momentum",
        type=number(lambda momentum: 0 <= momentum < 1, "from 0 to below 1"),
        help=f"(default: {each('momentum')})",
    )
    group.add_argument(
        "--warmup",
        type=integer(0),
        metavar="N",
        help=f"first steps, in which the learning rate grows to --lr (default: {each('warmup')})",
    )
    group.add_argument(
        "--half-life",
        type=integer(0),
        metavar="N",
        help="steps in which the learning rate halves, again and again; 0 for never (default: "
        f"{each('half_life')})",
    )
    group.add_argument(
        "--clip",
        type=number(lambda clip: clip >= 0, "of at least 0"),
        metavar="NORM",
        help="longer gradients are shortened to this, all parameters' taken together; 0 for never "
        f"(default: {each('clip')})",
    )


def settle(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Fill in what the network decides; exits with code 2 where options do not go together."""
    recipe = RECIPES[options.network]
    if options.attention == "blocks" and (options.network, options.backprop) != ("gpt", "manual"):
        parser.error(
            "--attention blocks is written by hand for gpt: expected --network gpt and "
            "--backprop manual with it; autograd's attention is PyTorch's own"
        )
    if options.network != "mlp":
        given = [name for name in OF_THE_PERCEPTRON if getattr(options, name) is not None]
        if given:
            parser.error(
                f"--{', --'.join(given)}: only mlp has a choice there; leave that out with "
                f"--network {options.network}"
            )
        if options.backprop == "explicit":
            parser.error(
                "--backprop explicit is the recursion of a multilayer perceptron: with --network "
                f"{options.network} use autograd or manual"
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
            "--backprop explicit forms its gradients in the velocities, always with the same "
            "learning rate: leave out --warmup, --half-life and --clip"
        )
    _settle_data(parser, options, recipe)


def _settle_data(
    parser: argparse.ArgumentParser, options: argparse.Namespace, recipe: Recipe
) -> None:
    if options.dataset == "auto" and "text" in recipe.epochs:
        options.dataset = "text"
    if options.dataset not in ("auto", *recipe.epochs):
        parser.error(
            f"--dataset {options.dataset} is not what {options.network} reads: choose from "
            f"{', '.join(recipe.epochs)}"
        )
    if options.text_dir is not None and options.dataset != "text":
        parser.error(f"--text-dir: {options.network} reads no text; only gpt does")
