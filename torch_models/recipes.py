"""What each network is given and how it is trained, unless the user says otherwise.

Without torch, so that ``--help`` can show it at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Recipe:
    """A network's input, and its training."""

    what: str
    """It in a few words."""
    sample: tuple[int, ...]
    """The shape of one sample as the network takes it."""
    epochs: Mapping[str, int]
    """Of each data set that it can be trained on; the first one is that of ``--dataset auto``."""
    lr: float
    momentum: float = 0.9
    batch_size: int = 128
    warmup: int = 0
    """Steps in which the learning rate grows to what it is."""
    half_life: int = 0
    """Steps in which it then halves, again and again; 0 for never."""
    clip: float = 0.0
    """The longest that all gradients together may be; 0 for as long as they are."""
    classes: int = 10
    """What it chooses from."""
    compared: int = 128
    """Samples that two ways are compared on."""


def _images(of_mnist: int, of_digits: int) -> dict[str, int]:
    """An epoch of digits is 11 batches of 128, one of MNIST 430."""
    return {"mnist": of_mnist, "fashion-mnist": of_mnist, "digits": of_digits}


PIXELS, IMAGE, ROWS, TEXT = (784,), (1, 28, 28), (28, 28), (128,)

#: By the name that ``--network`` takes.
RECIPES = {
    # With the five epochs of MNIST, digits would stop at about 94 %.
    "mlp": Recipe("multilayer perceptron", PIXELS, _images(5, 20), lr=0.1),
    "lenet": Recipe("LeNet-5", IMAGE, _images(8, 20), lr=0.05, half_life=860, compared=32),
    "resnet": Recipe(
        "small residual network", IMAGE, _images(4, 20), lr=0.05, half_life=430, compared=16
    ),
    "lstm": Recipe(
        "LSTM that reads row by row",
        ROWS,
        _images(5, 40),
        lr=0.3,
        half_life=430,
        clip=1.0,
        compared=32,
    ),
    "vit": Recipe(
        "vision transformer of 7 × 7 patches",
        IMAGE,
        _images(8, 60),
        lr=0.1,
        batch_size=64,
        warmup=300,
        half_life=1800,
        compared=16,
    ),
    "gpt": Recipe(
        "GPT-2 on the bytes of text",
        TEXT,
        {"text": 1},
        lr=0.3,
        batch_size=16,
        warmup=100,
        half_life=300,
        clip=1.0,
        classes=256,
        compared=4,
    ),
}

_HIDDEN = [160]
#: What only the perceptron has, by the name of its option.
OF_THE_PERCEPTRON = {"hidden": _HIDDEN, "activation": "relu", "loss": "cross-entropy"}


def most_threads(network: str, batch_size: int | str | None, hidden: Sequence[int]) -> int | None:
    """The most threads that share a step of this network; None for all that there are.

    Only the perceptron's steps are too small for all: one takes as much as a step of its recipe.

    Args:
        network: its name.
        batch_size: its own where None; "full" for all samples.
        hidden: of the perceptron, the sizes of its hidden layers.
    """
    if network != "mlp" or isinstance(batch_size, str):
        return None
    recipe = RECIPES[network]
    samples = (batch_size or recipe.batch_size) / recipe.batch_size
    return max(1, int(samples * _weights(hidden, recipe) / _weights(_HIDDEN, recipe)))


def _weights(hidden: Sequence[int], recipe: Recipe) -> int:
    return sum(n * m for n, m in pairwise((*recipe.sample, *hidden, recipe.classes)))


def each(setting: str) -> str:
    """The networks' defaults of a setting, in words: that of the perceptron, and who has others."""
    usual = getattr(RECIPES["mlp"], setting)
    others = [
        f"{name} {getattr(recipe, setting):g}"
        for name, recipe in RECIPES.items()
        if getattr(recipe, setting) != usual
    ]
    return ", ".join([f"{usual:g}", *others])


def each_epochs() -> str:
    """The networks' epochs by data set, in words: "mlp 5 (20 of digits), …"."""
    return ", ".join(f"{name} {_epochs(recipe)}" for name, recipe in RECIPES.items())


def _epochs(recipe: Recipe) -> str:
    usual = next(iter(recipe.epochs.values()))
    others = [f"{n} of {data}" for data, n in recipe.epochs.items() if n != usual]
    return f"{usual} ({', '.join(others)})" if others else str(usual)
