"""``python -m compare.layers``: every layer by itself against torch.nn, with its equation.

The table of README: for each layer the equation of its backward, the file where it is derived, and
the largest difference from autograd of any output or gradient, under all incoming gradients.
"""

import argparse
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compare.command.arguments import new_file
from compare.command.options import DTYPES, EXIT_CODES
from torch_models.arguments import OneLineParser, integer

if TYPE_CHECKING:
    from torch import Tensor

    from compare.comparison.report import Report

#: Samples and features of the random input: odd numbers, so that no vector loop comes out even.
SHAPE = (33, 13)


@dataclass(frozen=True)
class Layer:
    """A module of ``manual_backprop``, the equation of its backward, what it is compared on."""

    name: str
    equation: str
    options: dict[str, Any]
    inputs: Callable[[], tuple["Tensor", ...]]


def layers() -> list[Layer]:
    """All of them, in the order of their files."""
    import torch

    def x() -> tuple["Tensor", ...]:
        return (torch.randn(SHAPE),)

    def x_and_y() -> tuple["Tensor", ...]:
        return torch.randn(SHAPE), torch.randn(SHAPE)

    def probabilities() -> tuple["Tensor", ...]:
        return torch.rand(SHAPE), torch.rand(SHAPE)

    def logits() -> tuple["Tensor", ...]:
        return torch.randn(SHAPE), torch.rand(SHAPE)

    def labels() -> tuple["Tensor", ...]:
        return torch.randn(SHAPE), torch.randint(SHAPE[1], SHAPE[:1])

    width = {"in_features": SHAPE[1], "out_features": 7}
    return [
        Layer("Linear", "∂L/∂x = δW,  ∂L/∂W = δᵀx,  ∂L/∂b = Σ δ", width, x),
        Layer("Identity", "∂L/∂z = g", {}, x),
        Layer("ActivatedLinear", "∂L/∂z = δW ⊙ σ′(z),  ∂L/∂W = δᵀσ(z),  ∂L/∂b = Σ δ", width, x),
        Layer("Sigmoid", "g ⊙ a(1 − a)", {}, x),
        Layer("Tanh", "g ⊙ (1 − a²)", {}, x),
        Layer("ReLU", "g where z > 0, else 0", {}, x),
        Layer("LeakyReLU", "g where z > 0, else s·g", {}, x),
        Layer("ELU", "g where z > 0, else g ⊙ αeᶻ", {}, x),
        Layer("Softplus", "g ⊙ σ(βz)", {}, x),
        Layer("SiLU", "g ⊙ σ(z)(1 + z(1 − σ(z)))", {}, x),
        Layer("GELU", "g ⊙ (Φ(z) + zφ(z))", {}, x),
        Layer("Softmax", "a ⊙ (g − Σ g a)", {"dim": 1}, x),
        Layer("LogSoftmax", "g − e^ℓ Σ g", {"dim": 1}, x),
        Layer("MSELoss", "2(a − y)/m", {}, x_and_y),
        Layer("SquaredErrorLoss", "a − y", {"reduction": "sum"}, x_and_y),
        Layer("BCELoss", "(a − y)/(a(1 − a)m)", {}, probabilities),
        Layer("BCEWithLogitsLoss", "(σ(z) − y)/m", {}, logits),
        Layer("NLLLoss", "−[c = t]/m", {}, labels),
        Layer("CrossEntropyLoss", "(ŷ − y)/m", {}, labels),
    ]


def compare_layer(layer: Layer, dtype: str, seed: int) -> "Report":
    """The module and its twin on the same random values."""
    import torch

    import manual_backprop
    from compare.comparison.pair import compare_gradients

    twins = getattr(manual_backprop, layer.name), _reference(layer.name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        manual, reference = (twin(**layer.options).to(getattr(torch, dtype)) for twin in twins)
        values = [
            v.to(getattr(torch, dtype)) if v.is_floating_point() else v for v in layer.inputs()
        ]
        return compare_gradients(manual, reference, *values, seed=seed)


def _reference(name: str) -> Callable[..., Any]:
    """The class of torch.nn, or what is made of its parts where it has none."""
    from torch import nn

    from torch_models import networks

    class ActivatedLinear(nn.Linear):
        def forward(self, input: "Tensor") -> "Tensor":
            return super().forward(nn.functional.gelu(input))

    ours_alone = {
        "ActivatedLinear": ActivatedLinear,
        "SquaredErrorLoss": networks.SquaredErrorLoss,
    }
    return getattr(nn, name, None) or ours_alone[name]


def file_of(layer: Layer) -> str:
    """Where the layer's backward is derived."""
    import manual_backprop

    module = inspect.getmodule(getattr(manual_backprop, layer.name))
    assert module is not None
    return f"{module.__name__.replace('.', '/')}.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 agree, 1 disagree, 2 bad input)."""
    parser = layers_parser()
    options = parser.parse_args(arguments)
    # From here on it takes seconds to import; --help and wrong options have been answered.
    from compare.command.exit import exit_code

    return exit_code(parser.prog, lambda: _compare(options))


def layers_parser() -> OneLineParser:
    """The parser of ``python -m compare.layers``."""
    parser = OneLineParser(
        prog="python -m compare.layers",
        description="Compare every layer and loss by itself with its twin in torch.nn, on random "
        "values.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float64", help="(default: %(default)s)")
    parser.add_argument(
        "--seed", type=integer(0, 2**32 - 1), default=0, help="of the values (default: %(default)s)"
    )
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write the outcome there")
    return parser


def _compare(options: argparse.Namespace) -> bool:
    from rich.table import Table
    from rich.text import Text

    from compare.command import console
    from compare.command.writing import write_json

    view = Table(title=f"every layer against torch.nn, {options.dtype}", title_justify="left")
    for column in ("layer", "equation", "file", "largest difference", "verdict"):
        view.add_column(column)
    rows, failures = [], []
    for layer in layers():
        report = compare_layer(layer, options.dtype, options.seed)
        found = [row for trial in report.trials for row in trial]
        differences = [row.max_abs for row in found if row.max_abs is not None]
        largest = max(differences, default=0.0)
        verdict = "exact" if all(r.exact for r in found) else "rounding"
        if not report.passed:
            verdict = "bug"
            failures.append(f"{layer.name}: {report.summary()}")
        rows.append(
            {
                "layer": layer.name,
                "equation": layer.equation,
                "file": file_of(layer),
                "max_abs": largest,
                "verdict": verdict,
            }
        )
        difference = f"{largest:.1e}" if largest else "0"
        # Text: a table of rich would take [c = t] for markup.
        cells = (layer.name, layer.equation, file_of(layer), difference, verdict)
        view.add_row(*map(Text, cells))
    out = console.stdout()
    out.print(view)
    for failure in failures:
        console.say(out, failure, "bold red")
    if options.json:
        write_json(options.json, {"passed": not failures, "dtype": options.dtype, "rows": rows})
    return not failures


if __name__ == "__main__":
    sys.exit(main())
