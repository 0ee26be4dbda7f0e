"""The plots: what the lecture notes draw, from the numbers of the rows.

Colours are those of Okabe and Ito, which colour-blind readers tell apart, and every line differs
in its stroke as well; all text is legible at a width of 800 pixels.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from compare.command.writing import write_picture
from compare.notes import approximation, deep_thin, descent, taylor, trouble
from compare.notes.by_autograd import derivative, float64
from compare.notes.curve import parse
from manual_backprop import Identity, LeakyReLU, ReLU, Sigmoid, Tanh
from manual_backprop.perceptron import Perceptron, SigmoidNeuron, loss_surface

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
STYLE: dict[Any, Any] = {
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "lines.linewidth": 2.2,
    "legend.frameon": False,
}


def draw_all(folder: Path, curve: str) -> list[Path]:
    """Draw every plot into ``folder``; ``curve`` is the one to approximate. Returns the files."""
    paths = []
    with mpl.rc_context(STYLE):
        for name, figure in (
            ("error_surface", error_surface()),
            ("taylor_angle", taylor_angle()),
            ("activations", activations()),
            ("perceptron_boundary", perceptron_boundary()),
            ("squared_error_vs_cross_entropy", squared_error_vs_cross_entropy()),
            ("delta_against_depth", delta_against_depth()),
            ("approximation_against_width", approximation_against_width(curve)),
        ):
            paths.append(folder / f"{name}.png")
            FigureCanvasAgg(figure)
            write_picture(paths[-1], figure, "--plots")
    return paths


def _figure(columns: int = 1, rows: int = 1, height: float = 4.8) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(8, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def _name(axes: Axes, title: str, x: str, y: str = "") -> None:
    axes.set(title=title, xlabel=x, ylabel=y)


def error_surface() -> Figure:
    """System 3: the loss over (w, b), and the way that gradient descent takes."""
    figure, (axes,) = _figure(height=5)
    w = torch.linspace(-0.5, 3.5, 161, dtype=torch.float64)
    b = torch.linspace(-4.5, 1, 161, dtype=torch.float64)
    surface = loss_surface(descent.X, descent.Y, w, b)
    levels = [10 ** (k / 3 - 5) for k in range(15)]
    filled = axes.contourf(w, b, surface.T.clamp(min=1e-5), levels, norm="log", cmap="cividis")
    ticks = {1e-5: "0.00001", 1e-4: "0.0001", 1e-3: "0.001", 1e-2: "0.01", 1e-1: "0.1"}
    bar = figure.colorbar(filled, ax=axes, label="loss ½ Σ (y − ŷ)²", ticks=list(ticks))
    bar.ax.set_yticklabels(ticks.values())
    bar.ax.minorticks_off()
    path = SigmoidNeuron(0.5, 0).descend(descent.X, descent.Y, lr=1, steps=1000)
    every = slice(None, None, 20)
    axes.plot(path.w[:, 0], path.b, color="white", label="descent, a dot every 20 steps")
    axes.plot(path.w[every, 0], path.b[every], "o", color="white", ms=4)
    for name, w_at, b_at, marker, size, shift in (
        ("start", 0.5, 0.0, "s", 9, (14, 10)),
        ("w*, b*", descent.W_STAR, descent.B_STAR, "*", 18, (-150, -40)),
    ):
        axes.plot(w_at, b_at, marker, color=VERMILLION, mec="white", ms=size)
        axes.annotate(
            f"{name} = {w_at:.2f}, {b_at:.2f}".replace("-", "−"),
            (w_at, b_at),
            xytext=shift,
            textcoords="offset points",
            bbox={"boxstyle": "round", "fc": "white", "ec": "none", "alpha": 0.85},
        )
    axes.grid(False)
    _name(axes, "Gradient descent for one sigmoid neuron", "w", "b")
    axes.legend(loc="upper right", frameon=True, facecolor="#444444", labelcolor="white")
    return figure


def taylor_angle() -> Figure:
    """System 4: what a step does to the loss, by its angle to the gradient."""
    figure, (axes,) = _figure()
    degrees = torch.arange(0, 361, 3, dtype=torch.float64)
    grad_w, grad_b = SigmoidNeuron(*taylor.THETA).gradient(descent.X, descent.Y)
    steepness = torch.hypot(grad_w[0], grad_b)
    cosine = torch.deg2rad(degrees).cos()
    axes.plot(degrees, cosine, color="black", lw=6, alpha=0.25, label="first order: the cosine")
    for eta, color, stroke in ((0.01, BLUE, "-"), (0.1, GREEN, "--"), (0.4, VERMILLION, "-.")):
        change = taylor.loss_change_by_angle(degrees, eta) / (eta * steepness)
        axes.plot(degrees, change, stroke, color=color, label=f"step η = {eta:g}")
    axes.axvline(180, color="black", lw=1, ls=":")
    title = "A small step lowers the loss most at 180° to the gradient"
    _name(axes, title, "angle between step and gradient (degrees)", "change of the loss / (η ‖∇L‖)")
    axes.set(xticks=range(0, 361, 45), ylim=(-1.15, 2.3))
    axes.legend(loc="upper right", ncols=2)
    return figure


def activations() -> Figure:
    """System 5: each activation with its derivative, and softmax of three numbers."""
    figure, panels = _figure(columns=3, rows=2, height=5.6)
    z = torch.linspace(-4, 4, 401, dtype=torch.float64)
    layers = {"sigmoid": Sigmoid(), "tanh": Tanh(), "ReLU": ReLU()}
    layers |= {"leaky ReLU, a = 0.1": LeakyReLU(0.1), "linear": Identity()}
    for axes, (title, layer) in zip(panels, layers.items(), strict=False):
        axes.plot(z, layer(z), color=BLUE, label="σ(z)")
        axes.plot(z, derivative(layer, z), "--", color=VERMILLION, label="σ′(z)")
        _name(axes, title, "z")
        axes.set(ylim=(-1.3, 2.3), xticks=(-4, 0, 4))
    panels[0].legend(loc="upper left")
    fixed = float64([1.0, -1.0]).expand(len(z), 2)
    probabilities = torch.softmax(torch.cat([z.unsqueeze(1), fixed], 1), 1)
    last = panels[-1]
    for k, (color, stroke) in enumerate(((BLUE, "-"), (GREEN, "--"), (PURPLE, "-."))):
        last.plot(z, probabilities[:, k], stroke, color=color, label=f"ŷ{'₁₂₃'[k]}")
    _name(last, "softmax of (z, 1, −1)", "z")
    last.set(ylim=(-0.05, 1.4), xticks=(-4, 0, 4), yticks=(0, 0.5, 1))
    last.legend(loc="upper center", ncols=3, columnspacing=0.9, handlelength=1.3)
    return figure


def perceptron_boundary() -> Figure:
    """System 1: the line wᵀx = 0 after every update of the learning rule."""
    figure, (axes,) = _figure(height=5)
    x = torch.randn(60, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    score = x @ float64([1.5, -1.0]) - 0.3
    x, y = x[score.abs() > 0.25], (score[score.abs() > 0.25] >= 0).long()
    learning = Perceptron([-1, -1, 0.5]).learn(x, y, seed=1, max_picks=5000)
    shades = mpl.colormaps["cividis_r"]
    ends = float64([-3.0, 3.0])
    last = len(learning.weights) - 1
    for update, (w0, w1, w2) in enumerate(learning.weights.tolist()):
        line = -(w0 + w1 * ends) / w2
        if update == last:
            axes.plot(ends, line, color="black", lw=3, label=f"after update {last}")
        else:
            axes.plot(ends, line, color=shades(update / last), lw=1.2)
    colors = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, last), shades)
    figure.colorbar(colors, ax=axes, label="updates so far", ticks=range(0, last + 1, 5))
    for label, marker, color in ((1, "o", BLUE), (0, "X", VERMILLION)):
        points = x[y == label]
        axes.plot(*points.T, marker, color=color, mec="white", ms=9, label=f"y = {label}")
    _name(axes, "The perceptron's boundary wᵀx = 0 over its updates", "x₁", "x₂")
    axes.set(xlim=(-2.6, 2.6), ylim=(-2.6, 2.6))
    axes.legend(loc="lower right", frameon=True, framealpha=1)
    return figure


def squared_error_vs_cross_entropy() -> Figure:
    """System 11: gradient and training of one sigmoid neuron under each loss."""
    figure, (left, right) = _figure(columns=2)
    z = torch.linspace(-8, 8, 401, dtype=torch.float64)
    squared, entropy = trouble.output_gradients(z, 1.0)
    for gradient, label, color, stroke in (
        (entropy, "cross entropy", BLUE, "-"),
        (squared, "squared error", VERMILLION, "--"),
    ):
        left.plot(z, gradient.abs(), stroke, color=color, label=label)
        outputs = trouble.train(cross_entropy=label == "cross entropy")
        right.plot(outputs, stroke, color=color, label=label)
    left.annotate(
        "a confident\nmistake, and\nno gradient",
        (-6.5, 0.01),
        xytext=(-7.8, 0.3),
        arrowprops={"arrowstyle": "->"},
    )
    _name(left, "Gradient", "z  (target y = 1)", "|∂L/∂z|")
    _name(right, "Training from ŷ = 0.98", "step", "ŷ  (target y = 0)")
    right.set(ylim=(0, 1.02), xticks=range(0, 401, 100))
    right.legend()
    return figure


def delta_against_depth() -> Figure:
    """System 12: the size of δ, from the last layer back to the first."""
    figure, (axes,) = _figure()
    depth = 20
    for name, label, color, stroke in (
        ("relu", "ReLU", BLUE, "o-"),
        ("tanh", "tanh", GREEN, "^-."),
        ("sigmoid", "sigmoid", VERMILLION, "s--"),
    ):
        runs = torch.stack([deep_thin.delta_by_layer(name, depth, seed=s) for s in range(10)])
        mean = runs.log().mean(0).exp()
        axes.semilogy(range(1, depth + 1), mean, stroke, color=color, label=label)
    title = "δ fades on its way back: sigmoid, not ReLU"
    _name(axes, title, "layer (20 is the output)", "‖δ‖ in parts of the last layer's")
    axes.set_xticks((1, 5, 10, 15, 20))
    axes.legend(loc="lower right")
    return figure


def approximation_against_width(curve: str) -> Figure:
    """System 14: one hidden layer on a curve of the user's choice."""
    figure, (left, right) = _figure(columns=2)
    x = torch.linspace(0, 1, 1001, dtype=torch.float64)
    y = parse(curve)(x)
    left.plot(x, y, color="black", lw=5, alpha=0.25, label="curve")
    for width, color, stroke in ((2, VERMILLION, "--"), (4, GREEN, "-."), (16, BLUE, "-")):
        label = f"{width} neurons"
        left.plot(x, approximation.approximate(x, y, width), stroke, color=color, label=label)
    _name(left, curve if len(curve) <= 32 else curve[:31] + "…", "x", "y")
    left.legend(fontsize=10)
    right.loglog(approximation.WIDTHS, approximation.errors(curve), "o-", color=BLUE)
    _name(right, "Error against width", "hidden neurons", "largest error")
    ticks = approximation.WIDTHS[::2]
    right.set_xticks(ticks, [str(width) for width in ticks])
    right.minorticks_off()
    return figure
