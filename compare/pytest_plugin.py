"""Gradients in a test run: a fixture, a marker, and ``pytest --gradients MANUAL,REFERENCE``.

    def test_my_backward(assert_gradients_match):
        assert_gradients_match(MyLinear(20, 5), nn.Linear(20, 5), torch.randn(64, 20))

pytest loads it by itself in every test run where this project is installed, so nothing but pytest
is imported before it is used.
"""

import argparse
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from compare.comparison.report import Report

_MARKER = (
    "gradients(seeds=(0,), dtypes=()): run a test that uses assert_gradients_match once for each "
    'seed and each dtype, such as "float64", to which its models and inputs are converted'
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, in a group of their own."""
    group = parser.getgroup("gradients", "gradient comparison (compare)")
    group.addoption(
        "--gradients",
        action="append",
        default=[],
        type=_pair,
        metavar="MANUAL,REFERENCE",
        help="compare these two models, with or without test files; each is "
        "package.module:Name or path/to/file.py:Name; repeatable",
    )
    shape = {
        "action": "append",
        "default": [],
        "dest": "gradients_shape",
        "type": _shape,
        "metavar": "N,N",
        "help": "shape of a random input for --gradients; repeat for several inputs",
    }
    try:
        group.addoption("--gradients-shape", "--shape", **shape)
    except ValueError:  # another plugin's
        group.addoption("--gradients-shape", **shape)
    group.addoption("--gradients-seed", type=int, metavar="N", help="random seed (default: 0)")
    group.addoption(
        "--gradients-html", metavar="DIR", help="write an HTML page there for each failure"
    )


def _pair(text: str) -> tuple[str, str]:
    pair = tuple(text.split(","))
    if len(pair) != 2 or not all(pair):
        raise argparse.ArgumentTypeError(f"expected MANUAL,REFERENCE, got {text!r}")
    return pair


def _shape(text: str) -> tuple[int, ...]:
    from compare.command.argument_types import shape

    return shape(text)


def pytest_configure(config: pytest.Config) -> None:
    """With models to compare and no test named, collect none."""
    config.addinivalue_line("markers", _MARKER)
    if not config.option.gradients:
        return
    from torch_models.threads import wait_briefly

    wait_briefly()  # read when torch is imported
    if not config.option.gradients_shape:
        raise pytest.UsageError("--gradients needs --shape N,N: what the two models are given")
    if config.args_source is not config.ArgsSource.ARGS:
        config.args = []


def pytest_report_header(config: pytest.Config) -> str | None:
    """The seed, where one is in use for certain."""
    if config.option.gradients or config.option.gradients_seed is not None:
        return f"gradients: seed {_seed(config)}"
    return None


def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """One item for each pair that the command line names."""
    for pair in session.config.option.gradients:
        name = f"{pair[0]} against {pair[1]}"
        items.append(GradientsItem.from_parent(session, name=name, pair=pair))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The seeds and dtypes of the marker ``gradients``."""
    marker = metafunc.definition.get_closest_marker("gradients")
    if marker is None or "assert_gradients_match" not in metafunc.fixturenames:
        return
    unknown = [*map(repr, marker.args), *(n for n in marker.kwargs if n not in ("seeds", "dtypes"))]
    if unknown:
        where = metafunc.definition.nodeid
        raise pytest.UsageError(f"{where}: {', '.join(unknown)}: expected {_MARKER.split(':')[0]}")
    seeds = marker.kwargs.get("seeds", (_seed(metafunc.config),))
    dtypes = [str(dtype).removeprefix("torch.") for dtype in marker.kwargs.get("dtypes", ())]
    settings = [(seed, dtype) for seed in seeds for dtype in dtypes or (None,)]
    ids = [f"seed{seed}" + (f"-{dtype}" if dtype else "") for seed, dtype in settings]
    metafunc.parametrize("assert_gradients_match", settings, indirect=True, ids=ids)


@pytest.fixture
def assert_gradients_match(request: pytest.FixtureRequest) -> Iterator[Callable[..., "Report"]]:
    """``compare.assert_gradients_match``, all random numbers of the test drawn from one seed.

    The failure ends with the command that repeats it.
    """
    import torch

    from compare.comparison.pair import compare_gradients, fail

    seed, dtype = getattr(request, "param", (_seed(request.config), None))
    node = request.node
    again = ["pytest", node.nodeid, "--gradients-seed", str(seed)]

    def check(manual: Any, reference: Any, *inputs: Any, **options: Any) -> "Report":
        __tracebackhide__ = True
        models = (manual, reference, inputs, options)
        if dtype is not None:
            manual, reference, inputs, options = _moved(models, getattr(torch, dtype))
        report = compare_gradients(manual, reference, *inputs, **{"seed": seed, **options})
        if not report.passed:
            fail(report, *_left_behind(report, node, again))
        return report

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield check


class GradientsItem(pytest.Item):
    """Two models that the command line names, compared as ``compare.gradients`` does."""

    def __init__(self, *, pair: tuple[str, str], **node: Any) -> None:
        super().__init__(**node)
        self.pair = pair

    def runtest(self) -> None:
        """Compare them; an AssertionError where they do not agree."""
        import torch

        from compare.comparison.pair import compare_gradients, fail
        from compare.gradients import importing
        from torch_models import threads

        threads.use(None)
        seed, shapes = _seed(self.config), self.config.option.gradients_shape
        manual, reference = (importing.load(spec, seed) for spec in self.pair)
        inputs = importing.random_inputs(shapes, torch.float32, seed)
        report = compare_gradients(manual, reference, *inputs, seed=seed)
        if not report.passed:
            again = ["pytest", "--gradients", ",".join(self.pair), "--gradients-seed", str(seed)]
            for shape in shapes:
                again += ["--gradients-shape", ",".join(map(str, shape))]
            fail(report, *_left_behind(report, self, again))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What is wrong with the models, not where in our code that came to light."""
        from compare.trial.errors import ComparisonError

        if isinstance(excinfo.value, AssertionError | ComparisonError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """No file; the pair's names."""
        return self.path, None, self.name


def _seed(config: pytest.Config) -> int:
    return config.option.gradients_seed or 0


def _moved(value: Any, dtype: Any) -> Any:
    """Copies of modules and of floating-point tensors, in the dtype; the rest as it is."""
    import copy

    from torch import nn

    from compare.trial.given import map_tensors

    if isinstance(value, nn.Module):
        return copy.deepcopy(value).to(dtype)
    if isinstance(value, tuple):
        return tuple(_moved(part, dtype) for part in value)
    if isinstance(value, dict):
        return {name: _moved(part, dtype) for name, part in value.items()}
    return map_tensors(
        lambda x: (
            x.detach().to(dtype).requires_grad_(x.requires_grad) if x.is_floating_point() else x
        ),
        value,
    )


def _left_behind(report: "Report", node: pytest.Item, again: list[str]) -> Iterator[str]:
    """The last lines of a failure: its page, if that is wanted, and how to see it again."""
    from compare.command.writing import NotWrittenError, write_text
    from compare.reports import html

    if folder := node.config.option.gradients_html:
        name = re.sub(r"[^\w.-]+", "-", node.nodeid).strip("-")[-200:]
        path = node.config.invocation_params.dir / folder / f"{name}.html"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, html.page(report), "--gradients-html")
            yield f"page: {path}"
        except (OSError, NotWrittenError) as error:
            yield f"no page: {error}"
    yield f"reproduce with: {shlex.join(again)}"
