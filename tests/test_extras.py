"""``pip install .`` brings torch and rich alone; an extra that is missing is asked for by name."""

import ast
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from tests import ROOT
from torch_models import extras

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = ("manual_backprop", "torch_models", "compare")

#: What a user has who has torch and rich: one process, for torch takes seconds to import.
LIGHT = """
import sys
for module in {absent}:
    sys.modules[module] = None
sys.path.insert(0, {folder!r})

def outcome(main, *arguments):
    try:
        code = main(arguments)
    except SystemExit as exit:
        code = exit.code
    print("->", code, file=sys.stderr)

from compare import gradients, layers, notes, speed, training
from torch_models import curves, train
outcome(gradients.main, "mine:f", "mine:f", "--shape", "3,2", "--html", {folder!r} + "/page.html")
outcome(gradients.main, "mine:f", "mine:f", "--shape", "3,2", "--tensorboard", {folder!r})
outcome(gradients.main, "--dataset", "digits")
outcome(gradients.main, "--dataset", "mnist", "--data-dir", {folder!r})
outcome(training.main, "--log-dir", {folder!r})
outcome(notes.main, "--plots", {folder!r})
outcome(speed.main, "--sweep", "--plot", {folder!r} + "/plot.png")
outcome(train.main)
outcome(curves.main)
print("below: nothing")
outcome(notes.main)
try:
    from torch_models.datasets import load
    load("digits")
except ModuleNotFoundError as error:
    print(error, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """A process in which only torch and rich are installed."""
    folder = tmp_path_factory.mktemp("light")
    (folder / "mine.py").write_text("def f(x): return (x @ x.T).tanh()\n")
    program = LIGHT.format(absent=sorted(extras.EXTRA), folder=str(folder))
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert found.returncode == 0, found.stderr
    return found


@pytest.fixture(scope="module")
def said(light):
    """What was said on stderr, and each exit code."""
    return light.stderr.splitlines()


def test_two_models_are_compared_with_torch_and_rich_alone(said):
    assert said[0] == "-> 0"


@pytest.mark.parametrize(
    ("number", "what", "module", "extra"),
    [
        (1, "compare.gradients: error: --tensorboard", "tensorboard", "train"),
        (2, "compare.gradients: error: this", "numpy", "train"),
        (3, "compare.gradients: error: this", "numpy", "train"),
        (4, "compare.training: error: --log-dir", "lightning", "train"),
        (5, "compare.notes: error: --plots", "matplotlib", "train"),
        (6, "compare.speed: error: --plot", "matplotlib", "train"),
        (7, "torch_models.train: error: this", "lightning", "train"),
        (8, "torch_models.curves: error: this", "matplotlib", "train"),
        (9, "compare.notes: error: this", "sklearn", "train"),
    ],
)
def test_a_missing_extra_is_named_in_one_line(said, number, what, module, extra):
    line, code = said[2 * number - 1 : 2 * number + 1]
    assert f"{what} needs {module}, which is not installed" in line
    assert f'the extra {extra}: pip install ".[{extra}]"' in line
    assert code == "-> 2"


def test_nothing_is_computed_before_it_is_refused(light):
    assert light.stdout.endswith("below: nothing\n")


def test_a_function_that_needs_an_extra_names_it(said):
    assert said[-1].startswith("this needs ")


def test_every_package_that_is_imported_is_required_or_in_an_extra():
    imported = set()
    for path in (path for package in OURS for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    others = imported - set(sys.stdlib_module_names) - set(OURS)
    # PyTorch brings Triton where it is built for a GPU; without either nobody asks for it.
    assert others - {"torch", "rich", "triton"} == set(extras.EXTRA)


def test_the_extras_bring_what_they_are_asked_for():
    assert [Requirement(r).name for r in PROJECT["dependencies"]] == ["torch", "rich"]
    distributions = metadata.packages_distributions() | {"jax": ["jax"]}
    for module, extra in extras.EXTRA.items():
        required = {Requirement(r).name for r in PROJECT["optional-dependencies"][extra]}
        assert required & set(distributions[module]), module


def test_the_constraints_are_versions_that_are_required():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    required = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["train"]]
    required += PROJECT["optional-dependencies"]["test"]
    for requirement in map(Requirement, required):
        if requirement.name != "manual-backprop":
            assert requirement.specifier.contains(pinned[requirement.name]), requirement
