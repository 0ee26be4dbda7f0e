"""The command line on any two models, as somebody types it in a folder of their own."""

import json

import pytest

from compare import gradients
from compare.gradients import importing
from compare.trial.errors import ComparisonError

MODELS = """
import torch
from torch import nn


class Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z.relu()

    @staticmethod
    def backward(ctx, g):
        return g


class Wrong(nn.ReLU):
    def forward(self, z):
        return Function.apply(z)


class Manual(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(6, 5), Wrong(), nn.Linear(5, 3))


class Reference(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


class Renamed(nn.Module):
    def __init__(self):
        super().__init__()
        self.last, self.first = nn.Linear(5, 3), nn.Linear(6, 5)

    def forward(self, x):
        return self.last(self.first(x).relu())


class NeedsASize(nn.Module):
    def __init__(self, size):
        super().__init__()


class NoModule:
    pass


def make():
    return Reference()


def makes_a_number():
    return 3


def double(x):
    return 2 * x


def batch():
    return {"inputs": torch.randn(4, 6), "targets": torch.tensor([0, 1, 2, 0])}


def pairs():
    return torch.randn(4, 6), torch.randn(4, 6)


def raises():
    raise RuntimeError("no batch today")


def nan(x):
    return (x - 100).log()


def to_int(x):
    return x.long()


number = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "models_of_mine.py").write_text(MODELS)
    (tmp_path / "broken.py").write_text("import torch\n\nx = torch.nope\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def mine(name):
    return f"models_of_mine:{name}"


def test_wrong_and_right(folder, capsys):
    arguments = ["--shape", "7,6", "--json", "out.json", "--html", "out.html", "--junit", "out.xml"]
    assert gradients.main([mine("Manual"), mine("Reference"), *arguments]) == 1
    out = capsys.readouterr().out
    assert "1 Wrong is wrong (input: the incoming gradient is passed through unchanged" in out
    assert json.loads((folder / "out.json").read_text())["layers"][1]["layer"] == "1"
    assert "1 Wrong" in (folder / "out.html").read_text()
    assert "<failure" in (folder / "out.xml").read_text()
    assert gradients.main([mine("make"), mine("Reference"), "--shape", "7,6"]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["Reference", "make", "--inputs", mine("batch"), "--loss", "cross_entropy"],
        ["double", "double", "--shape", "3,2", "--dtype", "float64"],
        ["Renamed", "Reference", "--shape", "7,6", "--map", "first=0", "--map", "last=2"],
        [
            "Reference",
            "Reference",
            "--shape",
            "7,6",
            "--dtype",
            "bfloat16",
            "--also",
            "determinism",
        ],
    ],
)
def test_agree(arguments):
    first, second, *others = arguments
    assert gradients.main([mine(first), mine(second), *others]) == 0


def test_path_of_a_file(folder):
    path = folder / "models_of_mine.py"
    assert gradients.main([f"{path}:Reference", f"{path}:make", "--shape", "7,6"]) == 0


def test_on_github(monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert gradients.main([mine("Manual"), mine("Reference"), "--shape", "7,6"]) == 1
    [line] = [x for x in capsys.readouterr().out.splitlines() if x.startswith("::error file=")]
    assert "title=1 Wrong is wrong::" in line


SHAPE = ["--shape", "7,6"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere:X", mine("Reference"), *SHAPE], "there is no module nowhere"),
        ([mine("Nope"), mine("Reference"), *SHAPE], "models_of_mine has no Nope"),
        (["broken:X", mine("Reference"), *SHAPE], "importing it failed in broken.py, line 3"),
        (["gone.py:X", mine("Reference"), *SHAPE], "there is no file gone.py"),
        (["models_of_mine", mine("Reference"), *SHAPE], "expected package.module:Name"),
        ([mine("NeedsASize"), mine("Reference"), *SHAPE], "needs size to be constructed"),
        ([mine("NoModule"), mine("Reference"), *SHAPE], "is a class of neither torch.nn.Module"),
        ([mine("number"), mine("Reference"), *SHAPE], "cannot be called"),
        ([mine("makes_a_number"), mine("Reference"), *SHAPE], "returns int: expected a module"),
        ([mine("Reference")], "only one model is given"),
        ([mine("Reference"), mine("make")], "expected either --shape"),
        ([mine("Reference"), mine("make"), "--shape", "x"], "expected sizes such as 64,784"),
        ([mine("Reference"), mine("make"), "--shape", "7,5"], "the reference raised RuntimeError"),
        ([mine("Reference"), mine("make"), "--inputs", mine("raises")], "no batch today"),
        ([mine("Reference"), mine("make"), "--inputs", mine("number")], "is no function"),
        ([mine("Reference"), mine("make"), "--inputs", mine("batch")], "there is no --loss"),
        (
            [mine("Reference"), mine("make"), *SHAPE, "--loss", "nope"],
            "has no function of that name",
        ),
        (
            [mine("Reference"), mine("make"), *SHAPE, "--hidden", "3"],
            "configures the project's own network",
        ),
        ([mine("Reference"), mine("make"), *SHAPE, "--map", "x"], "expected MANUAL=REFERENCE"),
        ([mine("Reference"), mine("make"), *SHAPE, "--map", "x=0"], "the mapping names x"),
        ([mine("Reference"), mine("make"), *SHAPE, "--also", "x"], "there is no check 'x'"),
        ([mine("Reference"), mine("make"), *SHAPE, "--device", "cuda:77"], "--device cuda:77"),
        ([mine("double"), mine("Reference"), *SHAPE], "manual lacks 0.bias"),
        ([mine("to_int"), mine("to_int"), *SHAPE], "no floating-point tensor to differentiate"),
        (["--shape", "3"], "only with MANUAL REFERENCE"),
        (["--loss", "foo"], "expected one of cross-entropy"),
        (
            [mine("Reference"), mine("make"), *SHAPE, "--html", "/nowhere/x.html"],
            "cannot be written",
        ),
    ],
)
def test_bad_input_is_one_line_and_code_2(arguments, message, capsys):
    try:
        code = gradients.main(arguments)
    except SystemExit as error:
        code = error.code
    captured = capsys.readouterr()
    assert code == 2, captured.out
    assert len(captured.err.splitlines()) == 1
    assert message in captured.err


@pytest.mark.parametrize("name", ["nan"])
def test_reference_that_is_nan_cannot_judge(name, capsys):
    assert gradients.main([mine(name), mine(name), *SHAPE]) == 3
    said = capsys.readouterr()
    assert "not judged: the reference is infinite or NaN in" in said.out
    assert "could not be judged" in said.err


def test_constructors_use_up_no_random_numbers():
    import torch

    before = torch.get_rng_state()
    first = importing.load(mine("Reference"), seed=1)
    again = importing.load(mine("make"), seed=1)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first[0].weight, again[0].weight)


def test_several_inputs():
    values, targets = importing.inputs(mine("pairs"))
    assert (len(values), targets) == (2, None)
    with pytest.raises(ComparisonError, match="expected a tensor, a tuple of inputs"):
        importing.inputs(mine("makes_a_number"))
