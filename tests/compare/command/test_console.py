"""Tables as wide as one is told, with nothing cut off."""

import sys
from dataclasses import replace
from io import StringIO
from unittest.mock import Mock

import pytest
from rich.console import Console

from compare import layers, mutants
from compare.command import console
from compare.mutants import Outcome
from compare.reports import terminal
from compare.verdict.judge import Row

LONG = "network.encoder.layers.11.self_attention.projection_of_the_values.weight"


def printed(view, width=80):
    out = Console(width=width, file=StringIO())
    out.print(view)
    return out.file.getvalue()


def test_long_names_go_on_in_the_next_line():
    view = console.table("name", "kind", "max abs", "what is wrong", numbers=("max abs",))
    console.row(view, LONG, "parameter", "1.23e-04", "it is " + "much " * 20 + "too large")
    output = printed(view)
    assert max(map(len, output.splitlines())) <= 80
    assert "…" not in output
    first = "".join(line.split("│")[1].strip() for line in output.splitlines() if "│" in line)
    assert first == LONG
    assert "1.23e-04" in output


@pytest.mark.parametrize(
    ("columns", "width"), [("80", 80), ("132", 132), ("", 200), ("0", 200), ("wide", 200)]
)
def test_a_pipe_is_as_wide_as_columns_says(columns, width, monkeypatch):
    monkeypatch.setattr(sys, "stdout", StringIO())
    monkeypatch.setenv("COLUMNS", columns)
    assert console.stdout().width == width


def test_mutants_have_a_line_each_in_80_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    specimen = Mock(is_right=False, places=(), mistakes=())
    specimen.name = "Linear, weight: n + 1"
    outcomes = [Outcome(specimen, False, (), (), ("it is " + "much " * 50,), ())] * 3
    counts = {"planted": 3, "right": 0, "killed": 3, "falsely_accused": 0, "rules": {}}
    counts |= {"blamed": 3, "diagnosed": 3, "repaired": 0}
    mutants._show(console.stdout(), outcomes, counts)
    table = capsys.readouterr().out.partition("┘")[0].splitlines()
    assert len(table) == 3 + 3 + 1
    assert "much" not in "".join(table)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("encoder.layers.11.weight", ["encoder.", "layers.11.", "weight"]),
        ("compare/exercises/by_hand.py", ["compare/", "exercises/", "by_hand.py"]),
    ],
)
def test_a_name_breaks_where_its_parts_end(name, lines):
    out = Console(width=10, file=StringIO())
    out.print(console.Name(name))
    assert out.file.getvalue().split() == lines


@pytest.mark.parametrize(
    ("width", "columns"), [(120, "name kind exact"), (92, "name kind"), (80, "name")]
)
def test_gradients_leave_out_what_name_and_verdict_tell(width, columns):
    row = Row(
        "layers.11.values.weight", "parameter", "rounding", False, 1.5e-9, 2.5e-9, 123_456_789
    )
    long = replace(row, name=LONG.partition(".")[2])
    report = Mock(rows=[row, long] if width == 80 else [row], failures=[])
    out = Console(width=width, file=StringIO())
    out.print(terminal.table(report, out))
    lines = out.file.getvalue().splitlines()
    assert lines[1].replace("┃", "").partition("max abs")[0].split() == columns.split()
    assert max(map(len, lines)) <= width
    names = [line.split("│")[1].strip() for line in lines if "│" in line]
    assert names[0] == row.name
    assert "".join(names[1:]) in long.name
    assert all(part[-1] in "._" for part in names[1:-1])


def test_layers_keep_the_names_of_their_files(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    every = layers.entries()
    monkeypatch.setattr(layers, "entries", lambda: [e for e in every if e.name == "ReLU"])
    assert layers.main([]) == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= 80
    assert "activation/rectifiers.py" in output


@pytest.mark.parametrize("terminal", [True, False])
def test_lines_are_counted_as_a_terminal_breaks_them(terminal):
    out = Console(width=40, file=StringIO(), force_terminal=terminal, color_system=None)
    console.say_first(out, ["a sentence of five words " * 4] * 50, "--json FILE")
    *said, rest = out.file.getvalue().splitlines()
    assert len(said) == console.MOST
    assert rest == f"… and {40 if terminal else 20} more: --json FILE"


def test_layers_that_pytorch_does_not_have_in_a_dtype(monkeypatch, capsys):
    every = layers.entries()
    some = [e for e in every if e.name in ("ReLU", "MultiMarginLoss")]
    monkeypatch.setattr(layers, "entries", lambda: some)
    assert layers.main(["--dtype", "float16"]) == 0
    told = {line.split()[1]: line for line in capsys.readouterr().out.splitlines()[4:-1]}
    assert "exact" in told["ReLU"]
    assert layers.LACKING in told["MultiMarginLoss"]


def test_a_name_breaks_after_its_parts():
    view = console.table("file")
    console.row(view, console.below("δW", "loss/binary_cross_entropy.py:12"))
    lines = [line.strip("│ ") for line in printed(view, width=18).splitlines()[3:-1]]
    assert lines == ["δW", "loss/binary_", "cross_", "entropy.py:12"]
