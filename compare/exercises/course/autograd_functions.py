"""The same as a ``torch.autograd.Function``: what it saves, what it leaves out, what it sums."""

import torch

from compare.exercises.exercise import (
    FACTOR,
    MISSING,
    PART,
    PLACE,
    RAISED,
    SIGN,
    TARGET,
    UNSUMMED,
    ZERO,
    Draw,
    Exercise,
    Scope,
    Source,
)
from manual_backprop.activation.prelu import PReLUFunction
from manual_backprop.activation.sigmoids import (
    SigmoidFunction,
    TanhFunction,
    sigmoid_gradient,
    tanh_gradient,
)
from manual_backprop.affine.linear import LinearFunction
from manual_backprop.loss.reduction import unreduced
from manual_backprop.loss.squared_error import SquaredErrorFunction, squared_error_gradient

_AGAIN = {"not differentiable again"}


def _needed(d: Draw) -> Scope:
    names = ("x", "W", "b")
    which = int(torch.randint(1, 8, (), generator=d.generator))
    return {
        "x": d("mi"),
        "W": d("oi"),
        "b": d("o"),
        "delta": d("mo"),
        "needed": tuple(n for i, n in enumerate(names) if which >> i & 1),
    }


def _reduced(d: Draw) -> Scope:
    reduction = ("none", "sum", "mean")[int(torch.randint(3, (), generator=d.generator))]
    return {
        "a": d("mi"),
        "y": d("mi"),
        "reduction": reduction,
        "g": d("mi") if reduction == "none" else d.not_zero(""),
    }


EXERCISES = [
    Exercise(
        "function_saving",
        "Sigmoid",
        "A Function: what it saves",
        "∂L/∂z",
        """A Function has a forward, a setup_context that saves what the backward needs, and a backward.
z (m, i), a = σ(z), g = ∂L/∂a. Save by ctx.save_for_backward, so that PyTorch can free it and notice
when it is overwritten. The backward is given: see what it reads.""",
        Source(
            SigmoidFunction,
            "ctx.save_for_backward",
            names={"input": "z", "grad_output": "g"},
            inline={"sigmoid_gradient": sigmoid_gradient},
        ),
        lambda d: {"z": d.not_zero("mi"), "g": d.not_zero("mi")},
        {"z": [[0.0]], "g": [[4.0]]},
        "a = 1/2 is saved: 4 · 1/2 · 1/2 = [[1]]",
        "The backward computes g a (1 − a): which of the two, input or output, is that?",
        "setup_context is given ctx, the tuple of inputs, and the output.",
        forward=SigmoidFunction.forward,
        of=("z",),
        incoming="g",
        wrong={
            "ctx.save_for_backward(*inputs)": PLACE,
            "ctx.output = output": RAISED,
            "pass": RAISED,
            "ctx.save_for_backward(*inputs, output)": RAISED,
            "ctx.save_for_backward(-output)": SIGN | {"sign", "partly wrong", "unknown"},
            "ctx.save_for_backward(torch.sigmoid(output))": PLACE,
            "ctx.save_for_backward(output * 0)": ZERO,
        },
        right=(
            "a = output\nctx.save_for_backward(a)",
            "ctx.save_for_backward(torch.sigmoid(*inputs))",
        ),
    ),
    Exercise(
        "function_needs",
        "Linear",
        "A Function: only what is needed",
        "∂L/∂x, ∂L/∂W, ∂L/∂b",
        """z = x Wᵀ + b: x (m, i), W (o, i), b (o), δ = ∂L/∂z (m, o), here called delta.
ctx.needs_input_grad has True for each argument of forward whose gradient is wanted: x, W, b.
The first layer's ∂L/∂x is a whole matrix product that nobody needs. Write the part of ∂L/∂W.""",
        Source(
            LinearFunction,
            "if ctx.needs_input_grad[1]:",
            names={
                "input": "x",
                "weight": "W",
                "bias": "b",
                "grad_output": "delta",
                "samples_in_rows(grad_output)": "delta",
                "samples_in_rows(input)": "x",
            },
        ),
        _needed,
        {
            "x": [[1, 2], [3, 4]],
            "W": [[1, 0]],
            "b": [0],
            "delta": [[1], [2]],
            "needed": ("x", "W", "b"),
        },
        "all are wanted here, ∂L/∂W = 1 · (1, 2) + 2 · (3, 4): all of them = "
        "[[1, 0], [2, 0]], [[7, 10]], [3]",
        "∂L/∂W = δᵀ x, if it is wanted.",
        "Which position of ctx.needs_input_grad belongs to W?",
        forward=LinearFunction.forward,
        of=("x", "W", "b"),
        incoming="delta",
        parameters=("W", "b"),
        wrong={
            "grad_weight = delta.T @ x": {"not needed"},
            "if ctx.needs_input_grad[0]:\n    grad_weight = delta.T @ x": {
                "not needed",
                "missing result",
            },
            "if ctx.needs_input_grad[2]:\n    grad_weight = delta.T @ x": {
                "not needed",
                "missing result",
            },
            "if ctx.needs_input_grad[1]:\n    grad_weight = delta.T @ x / len(x)": {
                "averaged instead of summed"
            },
            "if ctx.needs_input_grad[1]:\n    grad_weight = x.T @ delta": {
                "transposed",
                "wrong shape",
                "raised an error",
            },
            "if ctx.needs_input_grad[1]:\n    grad_weight = -delta.T @ x": SIGN,
            "pass": {"missing result"},
            "if not ctx.needs_input_grad[1]:\n    grad_weight = delta.T @ x": {
                "not needed",
                "missing result",
            },
        },
        right=(
            "grad_weight = delta.T @ x if ctx.needs_input_grad[1] else None",
            "_, wanted, _ = ctx.needs_input_grad\nif wanted:\n"
            "    grad_weight = torch.einsum('mo,mi->oi', delta, x)",
        ),
    ),
    Exercise(
        "function_reductions",
        "SquaredError",
        "A Function: none, sum and mean",
        "∂L/∂a",
        """L = ½ Σ (a − y)², its mean over the m samples, or neither: ctx.reduction says which.
a, y (m, i); g = ∂L/∂L is a single number, but for "none", where it is (m, i).""",
        Source(
            SquaredErrorFunction,
            "grad_a =",
            names={
                "input": "a",
                "target": "y",
                "_samples(input)": "len(a)",
                "_samples(a)": "len(a)",
                "grad_output": "g",
            },
            inline={"unreduced": unreduced, "squared_error_gradient": squared_error_gradient},
        ),
        _reduced,
        {"a": [[1.0], [5.0]], "y": [[3.0], [1.0]], "reduction": "mean", "g": 1.0},
        "mean over two samples: (1 − 3)/2 and (5 − 1)/2 = [[-1], [2]]",
        "∂L/∂L_n is 1, 1 and 1/m, times g: note 003, L = 1/n Σ L_i.",
        "Only one of the three divides, and by the number of samples, not of elements.",
        forward=SquaredErrorFunction.forward,
        of=("a",),
        incoming="g",
        wrong={
            "grad_a = (a - y) * g": {"condition", "missing factor", "missing mean over the batch"},
            "grad_a = (a - y) * g / len(a)": {"condition", "averaged instead of summed"},
            "grad_a = (a - y) * (g / a.numel() if ctx.reduction == 'mean' else g)": {
                "another count",
                "constant factor",
            },
            "grad_a = (y - a) * (g / len(a) if ctx.reduction == 'mean' else g)": SIGN,
            "grad_a = a * (g / len(a) if ctx.reduction == 'mean' else g)": TARGET,
            "grad_a = (a - y) * (g / len(a) if ctx.reduction == 'sum' else g)": {"condition"},
            "grad_a = 2 * (a - y) * (g / len(a) if ctx.reduction == 'mean' else g)": FACTOR,
        },
        right=(
            "m = len(a) if ctx.reduction == 'mean' else 1\ngrad_a = (a - y) * g / m",
            "grad_a = g * (a - y)\nif ctx.reduction == 'mean':\n    grad_a = grad_a / a.shape[0]",
        ),
    ),
    Exercise(
        "function_broadcasting",
        "PReLU",
        "A Function: sum over what was broadcast",
        "∂L/∂z, ∂L/∂w",
        """a = z where z > 0, else w z: z, g (m, c, i), one slope w for each channel c, w (1, c, 1).
w was broadcast in the forward. of_each has ∂L/∂w of each element, (m, c, i): make w's shape of it.""",
        Source(
            PReLUFunction,
            "grad_weight = ",
            names={
                "input": "z",
                "weight": "w",
                "where": "torch.where",
                "grad_output": "g",
                "grad_weight = None": "",
            },
        ),
        lambda d: {"z": d.not_zero("mci"), "w": d("c")[None, :, None], "g": d.not_zero("mci")},
        {"z": [[[-1, 2], [-3, -4]]], "w": [[[2], [0]]], "g": [[[5, 1], [1, 1]]]},
        "∂L/∂w: channel 1 has −1 · 5, channel 2 has −3 · 1 − 4 · 1: both gradients = "
        "[[[10, 1], [0, 0]]], [[[-5], [-7]]]",
        "A tensor that is used several times gets the sum of the gradients of each use.",
        "The sum goes over the dimensions in which w has the size 1, and keeps them.",
        forward=PReLUFunction.forward,
        of=("z", "w"),
        incoming="g",
        parameters=("w",),
        wrong={
            "grad_weight = of_each": UNSUMMED | {"wrong shape"},
            "grad_weight = of_each.sum()": {
                "wrong axis",
                "wrong shape",
                "another argument",
                "not summed over the batch",
            },
            "grad_weight = of_each.sum((0, 2))": {"wrong shape"},
            "grad_weight = of_each.mean((0, 2), keepdim=True)": {
                "averaged instead of summed",
                "constant factor",
                "sum instead of mean",
            },
            "grad_weight = of_each[:1].sum(2, keepdim=True)": PART,
            "grad_weight = -of_each.sum_to_size(w.shape)": SIGN,
            "grad_weight = of_each.sum(0, keepdim=True)": UNSUMMED | {"wrong shape"},
        },
        right=(
            "grad_weight = of_each.sum((0, 2), keepdim=True)",
            "grad_weight = torch.einsum('mci->c', of_each).reshape(w.shape)",
        ),
    ),
    Exercise(
        "function_twice",
        "Tanh",
        "A Function: differentiated twice",
        "∂L/∂z",
        """a = tanh z (m, i), g = ∂L/∂a. Your backward is differentiated again, so that it must be made
of operations that autograd can follow: nothing detached, nothing overwritten.
What is checked: ∂L/∂z, and then its derivatives with respect to z and g.""",
        Source(
            TanhFunction,
            "return g *",
            names={"input": "z"},
            inline={"tanh_gradient": tanh_gradient},
        ),
        lambda d: {"z": d("mi", 1), "g": d.not_zero("mi")},
        {"z": [[0.0]], "g": [[3.0]]},
        "a = 0: ∂L/∂z = 3 · 1; its derivative is −2a(1 − a²) · 3 with respect to z and 1 with respect to g = [[3]], [[0]], [[1]]",
        "The formula is that of the slope of tanh; only what it is made of matters here.",
        "a and g must stay tensors that autograd tracks.",
        forward=TanhFunction.forward,
        of=("z",),
        incoming="g",
        again=True,
        wrong={
            "return g * (1 - a.detach() ** 2)": _AGAIN,
            "return (g * (1 - a * a)).detach()": _AGAIN | {"missing result"},
            "return g.detach() * (1 - a * a)": _AGAIN,
            "return g * (1 - a)": MISSING,
            "return g * (1 + a * a)": SIGN | {"another operation"},
            "with torch.no_grad():\n    slope = 1 - a * a\nreturn g * slope": _AGAIN,
            "return torch.tensor((g * (1 - a * a)).tolist(), dtype=g.dtype)": _AGAIN
            | {"missing result"},
        },
        right=("return g - g * a ** 2", "return g * (1 - a) * (1 + a)"),
    ),
]
