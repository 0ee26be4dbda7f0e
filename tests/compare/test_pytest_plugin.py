"""The plugin, in test runs of its own."""

import shlex
import sys
from importlib import import_module

import pytest
import torch

from compare import compare_gradients
from compare.gradients import importing
from compare.reports import html
from tests.exhaustive import some
from torch_models import threads

pytest_plugins = ["pytester"]


@pytest.fixture(scope="module", autouse=True)
def imported():
    """What a run in this process imports it forgets, and the next one imports it again."""
    import_module("torch._dynamo")
    [x] = importing.random_inputs([(2,)], torch.float32)
    html.page(compare_gradients(torch.tanh, torch.tanh, x))


@pytest.fixture(autouse=True)
def another_mine(monkeypatch):
    """Other tests have a file of this name as well."""
    monkeypatch.delitem(sys.modules, "mine", raising=False)


MINE = """
import torch
from torch import nn

class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx, g):
        return 2 * g

manual, reference = Wrong, torch.tanh
"""
TESTS = """
import pytest, torch
from torch import nn
from mine import Wrong

def test_right(assert_gradients_match):
    assert_gradients_match(torch.sin, torch.sin, torch.randn(3))

def test_wrong(assert_gradients_match):
    assert_gradients_match(Wrong.apply, torch.tanh, torch.randn(3))

seen = []

@pytest.mark.gradients(seeds=[3, 4], dtypes=["float32", torch.float64])
def test_each(assert_gradients_match):
    layer = nn.Linear(2, 2)
    report = assert_gradients_match(layer, nn.Linear(2, 2), torch.randn(3, 2), loss=nn.MSELoss(),
        targets=torch.zeros(3, 2))
    assert layer.weight.dtype == torch.float32
    seen.append((report.seed, report.dtype, float(torch.rand(()))))

def test_seen():
    assert [(seed, dtype) for seed, dtype, _ in seen] == [
        (3, "float32"), (3, "float64"), (4, "float32"), (4, "float64")
    ]
    assert seen[0][2] == seen[1][2] != seen[2][2]
"""


@pytest.fixture
def run(pytester):
    """A test run in this process, with the plugin and without those that are not asked for."""
    pytester.makepyfile(mine=MINE)
    pytester.syspathinsert()

    def run(*options, workers=0):
        xdist = ["-p", "xdist", "-n", str(workers)] if workers else ["-p", "no:xdist"]
        common = ["-p", "compare.pytest_plugin", "-p", "no:hypothesispytest", *xdist]
        if workers:
            return pytester.runpytest_subprocess(*common, *options, timeout=120)
        return pytester.runpytest_inprocess(*common, *options)

    return run


def again(result):
    """The last line of the failure, as words."""
    [line] = {x.removeprefix("E").strip() for x in result.outlines if "reproduce with: " in x}
    return shlex.split(line.partition("pytest ")[2])


class TestFixture:
    def test_right_wrong_and_marked(self, run, pytester):
        pytester.makepyfile(test_mine=TESTS)
        result = run("--strict-markers")
        result.assert_outcomes(passed=6, failed=1)
        text = result.stdout.str()
        assert "FAILED" in text
        assert "Wrong" in text
        assert again(result) == ["test_mine.py::test_wrong", "--gradients-seed", "0"]
        assert "pair.py" not in text  # the traceback ends in the test

    def test_the_last_line_repeats_it(self, run, pytester):
        pytester.makepyfile(test_mine=TESTS)
        first = run("-k", "test_wrong", "--gradients-seed", "7")
        first.stdout.fnmatch_lines(["gradients: seed 7"])
        torch.rand(3)  # another state of the process than the first one had
        second = run(*again(first))
        second.assert_outcomes(failed=1)
        numbers = [[x for x in r.outlines if "instead of" in x] for r in (first, second)]
        assert numbers[0]
        assert numbers[0] == numbers[1]

    def test_a_marker_that_is_misspelt(self, run, pytester):
        pytester.makepyfile("""
            import pytest

            @pytest.mark.gradients(seed=[1])
            def test_it(assert_gradients_match):
                pass
        """)
        result = run()
        assert "seed: expected gradients(seeds=(0,), dtypes=())" in result.stdout.str()
        assert result.ret != 0


class TestCommandLine:
    def test_no_test_file_is_needed_nor_collected(self, run, pytester):
        pytester.makepyfile(test_broken="raise RuntimeError")
        result = run("--gradients", "mine:manual,mine:reference", "--shape", "4,3")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["gradients: seed 0", "FAILED in float32: *"])
        options = again(result)
        assert options[:2] == ["--gradients", "mine:manual,mine:reference"]
        run(*options).assert_outcomes(failed=1)

    def test_two_that_agree(self, run, monkeypatch):
        """With as many threads as the command would take: more wait for each other."""
        asked = []
        monkeypatch.setattr(threads, "use", asked.append)
        result = run("--gradients", "mine:reference,mine:reference", "--shape", "4,3")
        result.assert_outcomes(passed=1)
        assert asked == [None]

    def test_beside_the_tests_that_are_named(self, run, pytester):
        path = pytester.makepyfile("def test_it(): pass")
        result = run(path, "--gradients", "mine:reference,mine:reference", "--shape", "2")
        result.assert_outcomes(passed=2)

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (["--gradients", "mine:manual", "--shape", "2"], "expected MANUAL,REFERENCE, got"),
            (["--gradients", "mine:manual,mine:reference"], "--gradients needs --shape N,N"),
            (["--gradients", "a:b,c:d", "--shape", "x"], "expected sizes such as 64,784"),
        ],
    )
    def test_wrong_options_are_one_line(self, run, options, says):
        result = run(*options)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert says in result.stderr.str()

    def test_what_cannot_be_imported_fails_in_one_line(self, run):
        result = run("--gradients", "nowhere:manual,mine:reference", "--shape", "2")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["nowhere:manual: there is no module nowhere*"])


class TestPages:
    def test_a_page_for_each_failure(self, run, pytester):
        pytester.makepyfile(test_mine=TESTS)
        result = run("--gradients-html", "pages")
        [page] = (pytester.path / "pages").iterdir()
        assert f"page: {page}" in result.stdout.str()
        assert "<!doctype html>" in page.read_text()

    def test_a_folder_that_cannot_be_had(self, run, pytester):
        pytester.makefile(".txt", pages="in the way")
        options = ["--gradients", "mine:manual,mine:reference", "--shape", "2"]
        result = run(*options, "--gradients-html", "pages.txt")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["no page: *", "reproduce with: *"])


@pytest.mark.parametrize("workers", some([1], [1, 2]))
def test_in_workers(run, pytester, workers):
    """And nothing is imported where nothing is asked."""
    pytester.makepyfile(test_mine=TESTS)
    pytester.makepyfile(
        test_cheap="import sys\ndef test_it(): assert 'compare.pytest_plugin' in "
        "sys.modules and not {'torch', 'rich', 'compare.comparison'} & set(sys.modules)"
    )
    result = run("test_cheap.py", workers=1)
    result.assert_outcomes(passed=1)
    options = ["--gradients", "mine:manual,mine:reference", "--shape", "4,3"]
    result = run(
        "test_mine.py",
        "-k",
        "wrong or mine",
        *options,
        "--gradients-html",
        "pages",
        "--deselect",
        "test_mine.py::test_seen",
        workers=workers,
    )
    result.assert_outcomes(passed=5, failed=2)
    assert len(list((pytester.path / "pages").iterdir())) == 2
