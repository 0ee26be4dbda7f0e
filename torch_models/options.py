"""The command line of ``python -m torch_models.train``, without importing torch."""

import argparse
from collections.abc import Sequence
from importlib import metadata

from torch_models.arguments import (
    MOST_DEVICES,
    OneLineParser,
    batch_size,
    devices,
    folder,
    integer,
    number,
    precision,
)
from torch_models.names import (
    ACTIVATIONS,
    DATASETS,
    LOSSES,
    NAMESPACES,
    STEPS_PER_EXECUTION,
    TEXT_TRAINING,
)
from torch_models.recipes import OF_THE_PERCEPTRON, RECIPES, Recipe, each, each_epochs

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
        "--clip",
        type=number(lambda clip: clip >= 0, "of at least 0"),
        metavar="NORM",
        help="longer gradients are shortened to this, all parameters' taken together; 0 for never "
        f"(default: {each('clip')})",
    )


def train_parser() -> OneLineParser:
    """The parser of ``python -m torch_models.train``."""
    parser = OneLineParser(
        prog="python -m torch_models.train",
        description="Train a network, its gradient computed by autograd or by hand.",
        epilog="Exit code 0: trained; 1: the loss became NaN or infinite, or the run cannot be "
        "written; 2: an option or a file is wrong; 130: interrupted.",
    )
    parser.add_argument("--version", action=Version, nargs=0, help="print the versions and exit")
    parser.add_argument(
        "--backprop",
        choices=NAMESPACES,
        help="what computes the gradient: torch.nn's autograd (the default), manual_backprop's "
        "hand-written layers, or its explicit Network, without any autograd",
    )
    parser.add_argument("--manual", action="store_true", help="short for --backprop manual")
    add_data_options(parser)
    add_network_options(parser)

    training = parser.add_argument_group("training")
    training.add_argument(
        "--epochs",
        type=integer(1),
        metavar="N",
        help=f"how often all is seen (default: {each_epochs()})",
    )
    training.add_argument(
        "--batch-size",
        type=batch_size,
        metavar="N|full",
        help="images or sequences a step; full takes all of them at once (default: "
        f"{each('batch_size')})",
    )
    training.add_argument(
        "--train-size",
        type=integer(1),
        metavar="N",
        help=f"training images or sequences (default: all the rest; {TEXT_TRAINING:,} of text)",
    )
    training.add_argument(
        "--val-size",
        type=integer(1),
        metavar="N",
        help="images or sequences held out for validation (default: 5,000 of MNIST, 137 of "
        "digits, 500 of text)",
    )
    add_descent_options(training)
    training.add_argument(
        "--momentum-form",
        choices=("torch", "ema"),
        default="torch",
        help="torch: v ← βv + g; ema, the lecture notes': v ← βv + (1 − β)g (default: %(default)s)",
    )
    training.add_argument("--compile", action="store_true", help="torch.compile the network")
    training.add_argument(
        "--steps-per-execution",
        type=integer(1, 2**31 - 1),
        default=STEPS_PER_EXECUTION,
        metavar="N",
        help="steps between two looks at loss and accuracy, and at Ctrl-C; the fewer, the slower, "
        "with the same result (default: %(default)s)",
    )

    runs = parser.add_argument_group("runs")
    runs.add_argument(
        "--log-dir",
        type=folder,
        default="lightning_logs",
        metavar="DIR",
        help="a run lies in DIR/<backprop>/version_N, of another network than mlp in "
        "DIR/<network>-<backprop>/version_N (default: %(default)s)",
    )
    runs.add_argument(
        "--dashboards",
        choices=("off", "lean", "full"),
        default="lean",
        help="what TensorBoard shows: off loss and accuracy alone; lean every page, for less than "
        "a tenth of the training's time; full pictures and an embedding after each epoch as well "
        "(default: %(default)s)",
    )
    runs.add_argument(
        "--resume",
        metavar="PATH|last",
        help="go on from a checkpoint, in its run's folder; last is that of the newest run of this "
        "--log-dir, --network and --backprop. The other options must be those of that run, but "
        "--epochs may be more",
    )

    machine = parser.add_argument_group("machine (as lightning.Trainer takes them)")
    machine.add_argument("--accelerator", default="auto", help="cpu, gpu, … (default: %(default)s)")
    machine.add_argument(
        "--devices", type=devices, default="1", help="how many, or which (default: %(default)s)"
    )
    machine.add_argument(
        "--num-nodes",
        type=integer(1, MOST_DEVICES),
        default=1,
        metavar="N",
        help="machines with as many devices each, where torchrun starts the processes "
        "(default: %(default)s)",
    )
    machine.add_argument(
        "--strategy",
        choices=("auto", "ddp"),
        default="auto",
        help="ddp: each device takes its share of each batch (default: %(default)s)",
    )
    machine.add_argument(
        "--precision",
        type=precision,
        default="32-true",
        help="64-true, bf16-mixed, … (default: %(default)s)",
    )
    return parser


def parse_train(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, ``backprop`` decided; exits with code 2 and one line when they are wrong."""
    parser = train_parser()
    options = parser.parse_args(arguments)
    if options.manual and options.backprop not in (None, "manual"):
        parser.error(f"--manual contradicts --backprop {options.backprop}: give one of them")
    options.backprop = "manual" if options.manual else options.backprop or "autograd"
    settle(parser, options)
    if options.backprop == "explicit":
        if options.precision not in ("32-true", "64-true"):
            parser.error("--backprop explicit computes in --precision 32-true or 64-true only")
        if options.compile:
            parser.error("--compile is for autograd and manual: there is no module to compile")
        if options.devices not in ("1", "auto", "0", "0,") or options.num_nodes > 1:
            parser.error("--backprop explicit runs on one device: nothing averages its gradients")
    if options.precision == "16-mixed" and options.clip:
        parser.error(
            "--precision 16-mixed scales the gradients that --clip measures: choose bf16-mixed, or "
            "--clip 0"
        )
    if options.precision == "16-true" and options.lr > 65_504:
        parser.error("--precision 16-true holds no number above 65504: choose a smaller --lr")
    if options.loss == "bce" and options.precision.endswith(("mixed", "16")):
        parser.error(
            "--loss bce takes the logarithm of rounded probabilities, which mixed precision "
            "forbids: use --loss bce-with-logits"
        )
    return options


def settle(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Fill in what the network decides; exits with code 2 where options do not go together."""
    recipe = RECIPES[options.network]
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
    for name in ("lr", "momentum", "batch_size", "warmup", "clip"):
        if getattr(options, name, 0) is None:
            setattr(options, name, getattr(recipe, name))
    tamed = getattr(options, "warmup", 0) or getattr(options, "clip", 0)
    if options.backprop == "explicit" and tamed:
        parser.error(
            "--backprop explicit forms its gradients in the velocities, always with the same "
            "learning rate: leave out --warmup and --clip"
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


class Version(argparse.Action):
    """Prints the versions that a report of a problem needs."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Look them up only now: it takes longer than parsing."""
        versions = []
        for package in ("manual-backprop", "torch", "lightning"):
            try:
                versions.append(f"{package} {metadata.version(package)}")
            except metadata.PackageNotFoundError:
                versions.append(f"{package} (not installed)")
        parser.exit(0, ", ".join(versions) + "\n")
