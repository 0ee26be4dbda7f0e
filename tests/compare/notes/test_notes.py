"""The recomputed lecture notes: complete, right, readable, and seen failing."""

import json
import re
import subprocess
import sys
from collections import Counter
from io import StringIO

import pytest
import torch
from rich.console import Console

from compare import notes
from compare.notes import recompute, systems
from compare.notes.titles import NOTES
from manual_backprop.perceptron import SigmoidNeuron
from tests import ROOT

FILES = sorted((ROOT / "compare/notes").glob("*.py"))

# Note and line of misprints that were found by reading, and what belongs there.
MISPRINTS = {
    "002:258": "(0.9 − f(2.5))²",
    "002:288": "0.0217",
    "002:289": "0.0029",
    "002:719": "0.62",
    "002:729": "1.36",
    "002:524": "(ŷⱼ − yⱼ)²",
    "002:623": "−ln ŷ_t",
    "002:467": "W₄₅",
    "002:508": "Σᵢ nⁱ·nⁱ⁻¹ + nᴸ⁻¹·k",
    "002:692": "δ_i",
    "003:11": "d_j a_k",
    "004:78": "−y/ŷ + (1 − y)/(1 − ŷ)",
    "001:153": "−yᵢ/ŷᵢ",
    "001:173": "((w_hoᵀ(ŷ − y)) ⊙ relu′(z₁))·x₀ᵀ",
    "001:238": "v = β × v",
    "001:240": "v = β × v",
    "000:114": "(δˡ⁺¹(Wˡ⁺¹)ᵀ) ⊙ σ′(zˡ)",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run as in a pipe: its exit code, its output and its JSON."""
    path = tmp_path_factory.mktemp("notes") / "rows.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", output := StringIO())
        code = notes.main(["--json", str(path)])
    return code, output.getvalue(), json.loads(path.read_text(encoding="utf-8"))


def test_passes(run):
    code, output, content = run
    assert code == 0
    assert content["passed"] is True
    assert output.splitlines()[-1].startswith(
        f"passed: {len(content['rows'])} rows over 14 systems"
    )


def test_covers_all_systems_and_all_notes(run):
    rows = run[2]["rows"]
    assert len(rows) >= 60
    assert {r["system"] for r in rows} == set(range(1, 15))
    assert {r["note"] for r in rows} == {"000", "001", "002", "003", "004"}


def test_every_row_is_complete(run):
    verdicts = {"agrees", "misprint", "unreadable"}
    for r in run[2]["rows"]:
        assert list(r) == [
            *("system", "note", "line", "claim", "printed", "computed", "verdict", "code", "passed")
        ]
        assert r["verdict"] in verdicts
        assert r["claim"]
        assert r["computed"]
        assert r["line"] > 0
        assert r["printed"]
        assert r["code"]


def test_misprints_are_found_and_put_right(run):
    found = {}
    for r in run[2]["rows"]:
        if r["verdict"] == "misprint":
            place = f"{r['note']}:{r['line']}"
            found[place] = found.get(place, "") + r["computed"]
    for place, right in MISPRINTS.items():
        assert right in found[place], place


def test_every_code_is_a_line_where_something_is_defined(run):
    for place in {r["code"] for r in run[2]["rows"]}:
        file, _, line = place.rpartition(":")
        text = (ROOT / file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
        assert re.match(r" *(def|class|@)\b|.*\blambda\b", text), (place, text)


def test_a_line_of_a_note_is_found_by_searching_for_it(run):
    text = "".join(path.read_text(encoding="utf-8") for path in FILES)
    for place in {f"{r['note']}:{r['line']}" for r in run[2]["rows"]}:
        assert f'"{place}"' in text, place


def test_no_other_file_has_the_name_of_one_of_ours():
    rooms = [ROOT / room for room in ("compare", "manual_backprop", "torch_models")]
    names = Counter(path.name for room in rooms for path in room.rglob("*.py"))
    ours = {path.name for path in FILES} - {"__init__.py", "__main__.py"}
    assert [name for name in ours if names[name] > 1] == []


def test_the_notes_have_titles_in_the_output_and_in_the_readme(run):
    top = run[1].splitlines()[: len(NOTES) + 2]
    readme = (ROOT / "compare/README.md").read_text(encoding="utf-8")
    assert {r["note"] for r in run[2]["rows"]} == set(NOTES)
    for number, note in NOTES.items():
        assert any(number in line and note.title in line and note.about in line for line in top)
        assert f"| {number} | {note.title} |" in readme


def test_a_pipe_gets_200_columns_and_no_escape_codes(run):
    _, output, content = run
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) <= 200
    squeezed = re.sub(r"\s", "", output)
    for r in content["rows"]:
        assert r["code"] in squeezed


@pytest.mark.parametrize("columns", [80, 100])
def test_a_terminal_loses_nothing(columns):
    console = Console(width=columns, file=StringIO(), force_terminal=True, color_system=None)
    claims = systems.claims_of(13)
    console.print(recompute.table(claims, console))
    output = console.file.getvalue()
    assert max(map(len, output.splitlines())) <= columns
    squeezed = re.sub(r"\s", "", output)
    for c in claims:
        words = [*c.says.split(), *c.printed.split(), *c.computed.split(), c.verdict, c.source]
        for word in words:
            assert word[: 15 if columns == 100 else 6] in squeezed, word  # the rest is folded


def absolute_error(self, x, y):
    return (self(x) - torch.tensor(y)).abs().sum() / 2


def test_a_failing_row_is_exit_code_1(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(systems, "SYSTEMS", {3: systems.SYSTEMS[3]})
    monkeypatch.setattr(SigmoidNeuron, "loss", absolute_error)
    assert notes.main(["--json", str(tmp_path / "rows.json")]) == 1
    output = capsys.readouterr().out
    assert "FAILED: " in output.splitlines()[-1]
    assert "002:286 guess w = 0.5, b = 0: loss: differs" in output
    assert json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))["passed"] is False


# --- the command line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "/no/such/folder/rows.json"], "cannot be written (No such file or directory)"),
        (["--json", "/"], "expected a file, but / is a folder"),
        (["--plots", "/dev/null"], "/dev/null cannot be written"),
        (["--log-dir", "/dev/null/logs"], "/dev/null/logs cannot be written"),
        (["--plot", "plots"], "unrecognized arguments: --plot"),
        (["--curve", "x +"], "cannot read the curve 'x +'"),
        (["--curve", "1/x"], "infinite or undefined"),
        (["--curve", "y"], "the curve contains 'y'"),
        (["--curve", "__import__('os').getcwd()"], "the curve contains"),
        (["--curve", "x.real"], "the curve contains 'x.real'"),
        (["--curve", "sin(x, x)"], "the curve contains 'sin(x, x)'"),
        (["--curve", "9**9**9**9**9"], "infinite or undefined"),
        (["--curve", "+".join("x" * 200)], "at most 200 characters"),
        (["--curve", "(" * 99 + "x"], "cannot read the curve"),
        (["--curve", "True"], "the curve contains 'True'"),
        (["--curve", ""], "cannot read the curve"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments, message, capsys):
    try:
        code = notes.main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_help_needs_neither_torch_nor_rich():
    code = (
        "import sys; from compare import notes\n"
        "try: notes.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(any(m in sys.modules for m in ('torch', 'rich', 'matplotlib')))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "--plots DIR" in result.stdout


def test_the_module_runs_as_a_program():
    command = [sys.executable, "-m", "compare.notes", "--curve", "nonsense"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "the curve contains 'nonsense'" in result.stderr


def test_the_curve_of_the_user_is_approximated_and_drawn(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(systems, "SYSTEMS", {14: systems.SYSTEMS[14]})
    folder = tmp_path / "new" / "plots"
    assert notes.main(["--curve", "abs(x - 0.5)", "--plots", str(folder)]) == 0
    output = capsys.readouterr().out
    assert "largest error of one hidden layer on abs(x - 0.5)" in output
    assert "  128 neurons  " in output
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == [
        "activations.png",
        "approximation_against_width.png",
        "delta_against_depth.png",
        "error_surface.png",
        "perceptron_boundary.png",
        "squared_error_vs_cross_entropy.png",
        "taylor_angle.png",
    ]
    for path in files:
        header = path.read_bytes()[:24]
        assert header[:8] == b"\x89PNG\r\n\x1a\n"
        assert int.from_bytes(header[16:20], "big") >= 800
        assert str(path) in output
