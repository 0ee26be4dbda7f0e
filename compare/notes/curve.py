"""Curves that a user may write: y = f(x), parsed without running anything.

Numbers, x, pi, e, + − * / **, brackets and the functions of FUNCTIONS; nothing else is understood.
"""

import ast
import math
import operator
from collections.abc import Callable

import torch
from torch import Tensor

DEFAULT = "sin(2*pi*x) + 0.3*sin(6*pi*x)"

FUNCTIONS = ("sin", "cos", "exp", "log", "sqrt", "abs", "tanh")  # of torch, too
_OPERATORS: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_LONGEST = 200


def parse(expression: str) -> Callable[[Tensor], Tensor]:
    """The function x (k) → y (k) that ``expression`` describes on [0, 1].

    Raises:
        ValueError: for anything that is not understood, or not a number everywhere on [0, 1].
    """
    try:
        if len(expression) > _LONGEST:
            raise SyntaxError
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            f"cannot read the curve {expression[:40]!r}: expected an expression in x of at most "
            f"{_LONGEST} characters, such as {DEFAULT!r}"
        ) from None

    def curve(x: Tensor) -> Tensor:
        y = _value(tree, x)
        return y.expand_as(x)

    if not curve(torch.linspace(0, 1, 1001, dtype=torch.float64)).isfinite().all():
        raise ValueError(
            f"the curve {expression!r} is infinite or undefined somewhere in 0 ≤ x ≤ 1"
        )
    return curve


def _value(node: ast.expr, x: Tensor) -> Tensor:
    match node:
        case ast.Name("x"):
            return x
        case ast.Name("pi" | "e" as name):
            return torch.tensor(getattr(math, name), dtype=x.dtype)
        case ast.Constant(int() | float() as number) if not isinstance(number, bool):
            return torch.tensor(float(number), dtype=x.dtype)
        case ast.UnaryOp(op, operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(operand, x))
        case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, x), _value(right, x))
        case ast.Call(ast.Name(name), [argument], []) if name in FUNCTIONS:
            return getattr(torch, name)(_value(argument, x))
    raise ValueError(
        f"the curve contains {ast.unparse(node)!r}: expected numbers, x, pi, e, + - * / **, and "
        f"{', '.join(FUNCTIONS)} of one argument"
    )
