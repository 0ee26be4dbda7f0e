"""One entry per layer and option; every check of ``checks.py`` runs over every entry."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manual_backprop import functional
from manual_backprop.activation.identity import identity
from manual_backprop.activation.table import ACTIVATIONS


@dataclass(frozen=True)
class Case:
    """A hand-written function, what it is compared with, and arguments to call both with."""

    name: str
    arguments: Callable[[], tuple[Any, ...]]  # float64; the floating-point ones are differentiated
    options: dict[str, Any] = field(default_factory=dict)
    manual: Callable[..., Tensor] | None = None
    reference: Callable[..., Tensor] | None = None
    special: tuple[Callable[[], tuple[Any, ...]], ...] = ()  # kinks, ties, saturation, NaN
    constants: tuple[int, ...] = ()  # positions of floating-point arguments without a gradient
    elementwise: bool = False

    def __str__(self) -> str:
        options = ",".join(
            f"{key}={tuple(value.shape) if isinstance(value, Tensor) else value}"
            for key, value in self.options.items()
        )
        shapes = "x".join(str(tuple(a.shape)) for a in self.arguments() if isinstance(a, Tensor))
        return f"{self.name}-{shapes.replace(' ', '')}" + (f"-{options}" if options else "")

    def call(self, *args: Any) -> Tensor:
        return (self.manual or getattr(functional, self.name))(*args, **self.options)

    def call_reference(self, *args: Any) -> Tensor:
        return (self.reference or getattr(F, self.name))(*args, **self.options)


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(shape, generator=generator, dtype=torch.float64)


def probabilities(*shape: int, seed: int = 0) -> Tensor:
    return normal(*shape, seed=seed).sigmoid()


def classes(*shape: int, of: int, seed: int = 0) -> Tensor:
    return torch.randint(of, shape, generator=torch.Generator().manual_seed(seed))


def extremes() -> tuple[Tensor]:
    # 16 of them: PyTorch's ELU treats NaN differently in the odd ones left over by a vector loop.
    values = [
        torch.nan,
        -torch.inf,
        -1e4,
        -30,
        -1,
        -1e-30,
        -0.0,
        0,
        1e-30,
        1,
        20,
        21,
        1e4,
        torch.inf,
    ]
    return (torch.tensor([*values, torch.nan, -20], dtype=torch.float64),)


def rounded() -> tuple[Tensor]:
    return (normal(6, 5).round(),)


def activations() -> Iterator[Case]:
    for name, options in [
        ("sigmoid", {}),
        ("tanh", {}),
        ("relu", {}),
        ("relu", {"inplace": True}),
        ("leaky_relu", {}),
        ("leaky_relu", {"negative_slope": 0.3, "inplace": True}),
        ("elu", {}),
        ("elu", {"alpha": 0.7, "inplace": True}),
        ("softplus", {}),
        ("softplus", {"beta": 2.5, "threshold": 3}),
        ("silu", {}),
        ("silu", {"inplace": True}),
        ("gelu", {}),
        ("gelu", {"approximate": "tanh"}),
    ]:
        yield Case(
            name,
            lambda: (normal(4, 3),),
            options,
            special=(extremes, rounded),
            elementwise=True,
        )
    yield Case(
        "identity",
        lambda: (normal(4, 3),),
        manual=identity,
        reference=torch.nn.Identity(),
        special=(extremes,),
        elementwise=True,
    )


def logit_extremes() -> tuple[Tensor]:
    return (torch.tensor([[1e4, -1e4, 0], [1, 1, 1], [-1e4, -1e4, -1e4]], dtype=torch.float64),)


def softmaxes() -> Iterator[Case]:
    for name in ("softmax", "log_softmax"):
        for shape, dim in [((4, 3), 1), ((4, 3), 0), ((2, 3, 4), -2), ((5,), 0)]:
            yield Case(name, lambda shape=shape: (normal(*shape),), {"dim": dim})
        yield Case(name, lambda: (normal(3, 3),), {"dim": 1}, special=(logit_extremes,))
        yield Case(name, lambda: (normal(3, 3),), {"dim": 1, "dtype": torch.float64})


def linears() -> Iterator[Case]:
    for lead in [(5,), (), (2, 3), (2, 1, 3), (1,)]:
        yield Case("linear", lambda lead=lead: (normal(*lead, 3), normal(4, 3, seed=1)))
        yield Case(
            "linear",
            lambda lead=lead: (normal(*lead, 3), normal(4, 3, seed=1), normal(4, seed=2)),
        )
    yield Case("linear", lambda: (normal(5, 3), normal(3, seed=1)))


def activated_linears() -> Iterator[Case]:
    for activation, (σ, _) in ACTIVATIONS.items():

        def reference(
            z: Tensor, W: Tensor, b: Tensor | None = None, activation: str = "", σ=σ
        ) -> Tensor:
            return F.linear(σ(z), W, b)

        arguments = [
            lambda: (normal(5, 3), normal(4, 3, seed=1), normal(4, seed=2)),
            lambda: (normal(2, 1, 3), normal(4, 3, seed=1)),
            lambda: (normal(3), normal(4, 3, seed=1), normal(4, seed=2)),
        ]
        # The shapes have nothing to do with σ.
        for these in arguments if activation == "gelu" else arguments[:1]:
            options = {"activation": activation}
            yield Case("activated_linear", these, options, reference=reference)


def squared_errors() -> Iterator[Case]:
    def reference(input: Tensor, target: Tensor, reduction: str) -> Tensor:
        if reduction == "mean":
            return F.mse_loss(input, target, reduction="sum") / (2 * len(input))
        return F.mse_loss(input, target, reduction=reduction) / 2

    for reduction in ("none", "mean", "sum"):
        options = {"reduction": reduction}
        yield Case("mse_loss", lambda: (normal(4, 3), normal(4, 3, seed=1)), options)
        yield Case(
            "mse_loss",
            lambda: (normal(4, 3), normal(4, 3, seed=1), probabilities(4, 3, seed=2)),
            manual=lambda a, y, w, r=reduction: functional.mse_loss(a, y, reduction=r, weight=w),
            reference=lambda a, y, w, r=reduction: F.mse_loss(a, y, reduction=r, weight=w),
        )
        yield Case(
            "squared_error_loss",
            lambda: (normal(4, 3), normal(4, 3, seed=1)),
            options,
            reference=reference,
        )


def binary_cross_entropies() -> Iterator[Case]:
    half = torch.tensor([[0.5], [2.0], [1.0], [0.0]], dtype=torch.float64)
    for reduction in ("none", "mean", "sum"):
        for weights in ({}, {"weight": half}):
            options = {"reduction": reduction, **weights}
            yield Case(
                "binary_cross_entropy",
                lambda: (probabilities(4, 3), probabilities(4, 3, seed=1)),
                options,
            )
            yield Case(
                "binary_cross_entropy_with_logits",
                lambda: (normal(4, 3), probabilities(4, 3, seed=1)),
                {**options, "pos_weight": torch.tensor([1, 3, 0.5], dtype=torch.float64)},
            )
    certain = torch.tensor([0, 1, 0, 1], dtype=torch.float64)
    yield Case(
        "binary_cross_entropy",
        lambda: (probabilities(4), certain.clone()),
        special=(lambda: (certain.flip(0), certain.clone()),),
        constants=(1,),
    )
    yield Case(
        "binary_cross_entropy_with_logits",
        lambda: (normal(4), certain.clone()),
        special=(lambda: (certain * 2e4 - 1e4, certain.clone()),),
        constants=(1,),
    )


def cross_entropies() -> Iterator[Case]:
    weight = torch.tensor([0.5, 2, 1, 0.25], dtype=torch.float64)
    layouts = [((6, 4), (6,)), ((4,), ()), ((3, 4, 2), (3, 2)), ((2, 4, 2, 3), (2, 2, 3))]
    for reduction in ("none", "mean", "sum"):
        for shape, target in layouts:
            for options in ({}, {"weight": weight, "ignore_index": 1}):
                index = {"reduction": reduction, **options}

                def arguments(shape: Any = shape, target: Any = target) -> tuple[Tensor, Tensor]:
                    return normal(*shape), classes(*target, of=4, seed=3)

                yield Case("nll_loss", arguments, index)
                yield Case("cross_entropy", arguments, {**index, "label_smoothing": 0.2})
            yield Case("cross_entropy", arguments, {"reduction": reduction})
            yield Case(
                "cross_entropy",
                lambda shape=shape: (normal(*shape), probabilities(*shape, seed=1)),
                {"reduction": reduction, "weight": weight, "label_smoothing": 0.2},
            )
    yield Case(
        "cross_entropy",
        lambda: (normal(3, 3), classes(3, of=3)),
        special=(lambda: (*logit_extremes(), classes(3, of=3)),),
    )
    yield Case("cross_entropy", lambda: (normal(3, 3), probabilities(3, 3, seed=1)))


CASES = [
    *linears(),
    *activated_linears(),
    *activations(),
    *softmaxes(),
    *squared_errors(),
    *binary_cross_entropies(),
    *cross_entropies(),
]
