"""``help`` of every public name shows the mathematics, shapes, source and errors."""

import inspect
import re

import pytest
import torch

import manual_backprop
from manual_backprop import functional, optim

WANTED = {
    "an equation": r"∂L/∂|∂L_n/∂|∂c/∂|←",
    "shapes": r"[Ss]hape|\(m, n",
    "a source": r"^Source: ",
    "errors, or the function that raises them": r"^Raises:|backward (is that )?of ``|is that of ``",
}
PUBLIC = [
    *(getattr(manual_backprop, name) for name in manual_backprop.__all__ if name[0].isupper()),
    *(getattr(functional, name) for name in functional.__all__),
    optim.SGD,
    optim.Momentum,
]


def lacking(docstring: str) -> list[str]:
    return [what for what, how in WANTED.items() if not re.search(how, docstring, re.MULTILINE)]


def test_help_of_every_public_name():
    told = {thing.__name__: lacking(inspect.getdoc(thing) or "") for thing in PUBLIC}
    assert {name: missing for name, missing in told.items() if missing} == {}


@pytest.mark.parametrize("thing", [torch.nn.Linear, torch.nn.functional.elu])
def test_what_help_lacks_is_told(thing):
    assert "an equation" in lacking(inspect.getdoc(thing) or "")


def test_a_derivation_in_another_file_is_found():
    assert "y_t = x_{m(t)}" in (manual_backprop.AdaptiveMaxPool2d.__doc__ or "")
    assert "y_t = x_{m(t)}" in (functional.max_pool1d.__doc__ or "")
