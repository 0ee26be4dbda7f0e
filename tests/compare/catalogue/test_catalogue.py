"""The catalogue, manual_backprop and README's table have the same layers, each complete."""

import pkgutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

import manual_backprop
from compare.catalogue import entries
from compare.trial.given import map_tensors
from tests import ROOT
from tests.manual_backprop import calls
from tests.manual_backprop.older_pytorch import differs

ENTRIES = entries()
TABLE = "manual_backprop/README.md"
README = (ROOT / TABLE).read_text(encoding="utf-8")
FUNCTIONS = manual_backprop.functional.__all__


def modules_in(place):
    """The module classes that can be had from there, by name."""
    found = vars(place).values()
    return {x.__name__: x for x in found if isinstance(x, type) and issubclass(x, nn.Module)}


MODULES = modules_in(manual_backprop)
#: Those that a file of manual_backprop defines.
WRITTEN = {
    name: module.__module__
    for file in pkgutil.walk_packages(manual_backprop.__path__, "manual_backprop.")
    for name, module in modules_in(import_module(file.name)).items()
    if module.__module__ == file.name and not name.startswith("_")
}


def gaps(entries=ENTRIES, readme=README, written=WRITTEN):
    """What is missing, one line each."""
    for name, file in written.items():
        if name not in MODULES:
            yield f"{name} is in {file} and has no line in manual_backprop/__init__.py"
    described = {name for entry in entries for name in (entry.module, entry.function)}
    for name in [*MODULES, *FUNCTIONS]:
        if name not in described:
            yield f"{name} is in manual_backprop and has no entry in compare/catalogue"
    for entry in entries:
        if entry.module and entry.module not in MODULES:
            yield f"{entry.module} has an entry and no line in manual_backprop/__init__.py"
        if isinstance(entry.function, str) and entry.function not in FUNCTIONS:
            yield f"{entry.function} has an entry and no line in manual_backprop/functional.py"
    yield from gaps_in_readme(entries, readme)


def gaps_in_readme(entries, readme):
    """What README's table lacks or says otherwise; its figures depend on the machine."""
    _, table = readme.split("\n| layer | backward | derived in | largest difference |\n")
    rows = {line.split("`")[1]: line for line in table.split("\n\n")[0].splitlines()[1:]}
    for entry in entries:
        row = rows.pop(entry.name, "")
        if entry.module and entry.module not in MODULES:
            continue  # that has been told
        try:
            equation = entry.equation.replace("|", r"\|")
        except LookupError as error:
            yield str(error)
            continue
        path = Path(entry.file).relative_to("manual_backprop")
        expected = f"| `{entry.name}` | {equation} | [{path.name}]({path}) |"
        if not row.startswith(expected):
            yield f"{TABLE}: expected the row {expected} with the figure of compare.layers"
    for name in rows:
        yield f"{TABLE}: {name} has a row and no entry in compare/catalogue"


GAPS = list(gaps())


def test_nothing_is_missing():
    if GAPS:
        pytest.fail("\n".join(GAPS), pytrace=False)


RELU = next(entry for entry in ENTRIES if entry.module == "ReLU")
OTHERS = [entry for entry in ENTRIES if entry is not RELU]
ROW = next(line for line in README.splitlines() if line.startswith("| `ReLU`"))


class Undocumented(torch.autograd.Function):
    """a = max(z, 0)."""


def told(**changes):
    """The gaps that come with these changes."""
    return [line for line in gaps(**changes) if line not in GAPS]


def test_a_layer_without_a_line_is_told():
    assert told(written={**WRITTEN, "Rely": "manual_backprop.activation.rely"}) == [
        "Rely is in manual_backprop.activation.rely and has no line in manual_backprop/__init__.py"
    ]


def test_a_layer_without_an_entry_is_told():
    assert told(entries=OTHERS) == [
        "ReLU is in manual_backprop and has no entry in compare/catalogue",
        "relu is in manual_backprop and has no entry in compare/catalogue",
        "manual_backprop/README.md: ReLU has a row and no entry in compare/catalogue",
    ]


def test_an_entry_without_a_layer_is_told():
    missing = replace(RELU, module="Rely", function="rely")
    row = ROW.replace("ReLU", "Rely")
    assert told(entries=[*ENTRIES, missing], readme=README.replace(ROW, f"{ROW}\n{row}")) == [
        "Rely has an entry and no line in manual_backprop/__init__.py",
        "rely has an entry and no line in manual_backprop/functional.py",
    ]


def test_a_function_of_another_name_is_told(monkeypatch):
    monkeypatch.delattr(manual_backprop.activation.rectifiers, "ReLUFunction")
    assert told() == ["ReLU: its file has no ReLUFunction, nor its entry a derivation"]


def test_a_function_that_does_not_say_its_equation_is_told():
    [line] = told(entries=[*OTHERS, replace(RELU, derivation=Undocumented)])
    assert line == (
        "Undocumented: expected a paragraph of its docstring to be the equation of its backward, "
        "as in 'Backward: g ⊙ (1 − a²)'"
    )


@pytest.mark.parametrize(
    "row",
    ["", ROW.replace("z > 0", "z ≥ 0"), ROW.replace("rectifiers.py", "relu.py")],
    ids=["no row", "another equation", "another file"],
)
def test_a_row_of_readme_is_told(row):
    [line] = told(readme=README.replace(f"{ROW}\n", f"{row}\n" if row else ""))
    assert line == (
        "manual_backprop/README.md: expected the row | `ReLU` | g where z > 0, else 0 | "
        "[rectifiers.py](activation/rectifiers.py) | with the figure of compare.layers"
    )


EVERY_OPTION = [
    pytest.param(entry, options, id=f"{entry.name}-{','.join(options)}")
    for entry in ENTRIES
    for options in entry.modules
    if entry.module
]


def outputs_and_gradients(module, inputs):
    """And buffers, which the forward may have changed."""
    found = calls.outputs(module, calls.untouched(inputs))
    gs = [next(calls.cotangents(output.detach())) for output in found]
    leaves = [*calls.leaves(inputs), *module.parameters()]
    return [*found, *torch.autograd.grad(found, leaves, gs), *module.buffers()], gs


@pytest.mark.parametrize(("entry", "options"), EVERY_OPTION)
def test_module_is_its_twin(entry, options):
    if differs(entry.function_name, (), options, special=False):
        pytest.skip("this release of PyTorch computes it otherwise")
    with calls.same_random_numbers():
        manual, reference = (twin.double() for twin in entry.twins(options))
        inputs = map_tensors(
            lambda x: x.double().requires_grad_() if x.is_floating_point() else x, entry.inputs()
        )
    if not entry.twin_module:
        assert isinstance(manual, type(reference))
        assert repr(manual) == repr(reference)
    manual.load_state_dict(reference.state_dict())
    ours, gs = outputs_and_gradients(manual, inputs)
    theirs, _ = outputs_and_gradients(reference, inputs)
    for actual, expected in zip(ours, theirs, strict=True):
        calls.close(actual, expected, *gs)


def test_a_module_that_ignores_an_option_is_found(monkeypatch):
    forward = manual_backprop.functional.elu
    monkeypatch.setattr(manual_backprop.ELU, "forward", lambda self, z: forward(z))
    elu = next(entry for entry in ENTRIES if entry.module == "ELU")
    test_module_is_its_twin(elu, {})
    with pytest.raises(AssertionError):
        test_module_is_its_twin(elu, {"alpha": 0.5})


def test_an_equation_is_a_paragraph_of_its_own():
    class InTwoLines(torch.autograd.Function):
        """y = f(x).

        Backward: ∂L/∂x = δW,
        ∂L/∂W = δᵀx

        More.
        """

    assert replace(RELU, derivation=InTwoLines).equation == "∂L/∂x = δW, ∂L/∂W = δᵀx"
