"""``manual-backprop COMMAND`` is ``python -m`` of a module."""

import os
import subprocess
import sys
import tomllib

from compare.__main__ import COMMANDS, main
from tests import ROOT


def test_the_command_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"manual-backprop": "compare.__main__:main"}


def test_every_module_that_is_a_command_has_its_name():
    packages = (ROOT / "compare").glob("*/__main__.py")
    files = (p for o in ("compare", "torch_models") for p in (ROOT / o).glob("*.py"))
    modules = {f"compare.{path.parent.name}" for path in packages}
    for path in files:
        if path.stem != "__main__" and '__name__ == "__main__"' in path.read_text():
            modules.add(f"{path.parent.name}.{path.stem}")
    assert modules == {module for module, _ in COMMANDS.values()}


def test_help_answers_without_torch():
    program = """
import sys
from compare.__main__ import COMMANDS, main
assert main([]) == 0
for name, (module, _) in COMMANDS.items():
    try:
        main([name, "--help"])
    except SystemExit as exit:
        assert exit.code == 0
assert not {"torch", "rich", "lightning"} & set(sys.modules)
"""
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 0, found.stderr
    assert max(map(len, found.stdout.splitlines())) <= 80
    assert all(f"usage: python -m {module}" in found.stdout for module, _ in COMMANDS.values())


def test_options_and_exit_code_are_the_command_s():
    command = [sys.executable, "-m", "compare", "training", "--epochs", "0"]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 2
    assert "compare.training: error: argument --epochs: expected" in found.stderr


def test_a_command_that_is_watched_over_is_here_too(tmp_path):
    """Models that end the process have not passed."""
    (tmp_path / "mine.py").write_text("import os\ndef f(): os._exit(0)\n")
    command = [sys.executable, "-m", "compare", "gradients", "mine:f", "mine:f", "--shape", "2"]
    found = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (found.returncode, found.stdout) == (3, "")


def test_an_unknown_command_is_one_line(capsys):
    assert main(["gradient"]) == 2
    assert capsys.readouterr().err == (
        "manual-backprop: error: there is no command 'gradient': expected one of "
        f"{', '.join(COMMANDS)}\n"
    )
