"""``python -m compare.gradients``: do the gradients by hand agree, which layer is wrong, and how.

Any two models that the command line names, or our own MLP on one batch of real data.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from compare.command.options import checked_gradients, gradients_parser

if TYPE_CHECKING:
    from compare.checks.check import Check
    from compare.comparison.report import Report
    from compare.trial.question import Question


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 agree, 1 disagree, 2 bad input)."""
    parser = gradients_parser()
    options = checked_gradients(parser, parser.parse_args(arguments))
    # From here on it takes seconds to import; --help and wrong options have been answered.
    from compare.command.exit import exit_code

    return exit_code(parser.prog, lambda: _compare(options))


def _compare(options: argparse.Namespace) -> bool:
    from dataclasses import replace

    question: Question | None
    if options.manual is not None:
        report, question = _any_two(options)
        facts = {"dtype": report.dtype, "seed": options.seed}
    elif options.backprop == "explicit":
        report, question, facts = _explicit(options)
    else:
        report, question, facts = _own(options)
    if options.also and question is not None:
        report = replace(report, checks=_checks(question, options.also))
    _show(report)
    _write(report, options, facts)
    return report.passed


def _any_two(options: argparse.Namespace) -> "tuple[Report, Question]":
    import torch

    from compare.command.device import device_named
    from compare.gradients import importing
    from compare.trial.errors import ComparisonError

    dtype = getattr(torch, options.dtype)
    device = device_named(options.device)
    manual = importing.load(options.manual, options.seed)
    reference = importing.load(options.reference, options.seed)
    loss = importing.loss(options.loss, options.seed) if options.loss else None
    if options.inputs:
        inputs, targets = importing.inputs(options.inputs, options.seed)
    else:
        inputs, targets = importing.random_inputs(options.shape, dtype, options.seed), None
    if targets is not None and loss is None:
        raise ComparisonError("--inputs gives targets, and there is no --loss to give them to")
    moved = _moved((manual, reference, loss, inputs, targets), dtype, device)
    question = _question(moved, options, dict(options.map or []))
    report = _judge(question, options)
    title = f"{options.manual} against {options.reference}, {options.dtype}"
    return _titled(report, title), question


def _own(options: argparse.Namespace) -> "tuple[Report, Question, dict[str, Any]]":
    from compare.command import our_network
    from compare.command.device import device_named

    device = device_named(options.device)
    images = our_network.load(options)
    manual = our_network.build("manual", options, images)
    reference = our_network.build("autograd", options, images)
    x, labels = _batch(options, images, reference)
    models = (manual.network, reference.network, (manual.loss, reference.loss), (x,), labels)
    question = _question(_moved(models, x.dtype, device), options, None)
    report = _judge(question, options)
    title = f"manual against autograd: {our_network.describe(options, images)}, batch of {len(x)}"
    facts = {"dataset": images.name, "dtype": options.dtype, "seed": options.seed}
    return _titled(report, title), question, facts


def _explicit(options: argparse.Namespace) -> "tuple[Report, None, dict[str, Any]]":
    from compare.command import our_network
    from compare.command.device import device_named
    from compare.comparison.explicit import compare_explicit
    from compare.trial.errors import ComparisonError

    if options.also:
        raise ComparisonError(f"--also {','.join(options.also)}: the explicit way has no autograd")
    device = device_named(options.device)
    images = our_network.load(options)
    reference = our_network.build("autograd", options, images)
    x, labels = _batch(options, images, reference)
    report = compare_explicit(
        reference.network.to(device),
        options.activation,
        options.loss,
        x.to(device),
        labels.to(device),
        options.seed,
    )
    title = f"explicit against autograd: {our_network.describe(options, images)}, batch of {len(x)}"
    facts = {"dataset": images.name, "dtype": options.dtype, "seed": options.seed}
    return _titled(report, title), None, facts


def _batch(options: argparse.Namespace, images: Any, candidate: Any) -> Any:
    x, labels = next(images.training_batches(options.batch_size, options.seed).of_epoch(0))
    return x.to(next(candidate.network.parameters()).dtype), labels


def _question(
    values: Sequence[Any], options: argparse.Namespace, mapping: dict[str, str] | None
) -> "Question":
    from compare.trial.question import Question

    manual, reference, loss, inputs, targets = values
    return Question(manual, reference, inputs, loss, targets, mapping, options.seed)


def _judge(question: "Question", options: argparse.Namespace) -> "Report":
    from torch import nn

    from compare.command import console
    from compare.comparison.pair import compare_gradients
    from compare.trial.recorder import is_layer

    model = question.manual
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    steps = 2 + sum(map(is_layer, modules))
    with console.progress(console.stdout(), "comparing", steps) as advance:
        return compare_gradients(
            question.manual,
            question.reference,
            *question.inputs,
            loss=question.loss,
            targets=question.targets,
            mapping=question.mapping,
            seed=question.seed,
            strict=options.strict,
            progress=lambda _: advance(),
        )


def _checks(question: "Question", names: Sequence[str]) -> "list[Check]":
    from compare.checks import ask
    from compare.command import console

    with console.progress(console.stdout(), "asking further", len(names)) as advance:
        found = []
        for name in names:
            found.append(ask(name, question))
            advance()
    return found


def _moved(values: Sequence[Any], dtype: Any, device: Any) -> list[Any]:
    """Modules and floating-point tensors in the dtype, all on the device."""
    from torch import nn

    from compare.trial.given import map_tensors

    def moved(value: Any) -> Any:
        if isinstance(value, nn.Module):
            return value.to(device=device, dtype=dtype)
        if isinstance(value, tuple):
            return tuple(map(moved, value))
        return map_tensors(
            lambda x: x.to(device=device, dtype=dtype if x.is_floating_point() else None), value
        )

    return [moved(value) for value in values]


def _titled(report: "Report", title: str) -> "Report":
    from dataclasses import replace

    return replace(report, title=title)


def _show(report: "Report") -> None:
    from compare.command import console
    from compare.comparison.report import describe, tell

    out = console.stdout()
    console.say(out, report.title, "bold")
    out.print(console.table(report))
    if report.layers:
        out.print(console.layer_table(report))
    if report.checks:
        out.print(console.check_table(report))
    exposed = [f"{at.label}, {tell(fault)}" for at in report.layers for fault in at.faults]
    for line in [*exposed, *map(describe, report.failures), *report.by_trial()]:
        console.say(out, line)
    for asked in (asked for asked in report.inputs if asked.left_out):
        console.say(out, str(asked))
    console.say(out, report.summary(), "green" if report.passed else "bold red")


def _write(report: "Report", options: argparse.Namespace, facts: dict[str, Any]) -> None:
    from compare.command.exit import write_json, write_text
    from compare.comparison import annotations
    from compare.reports import html, junit, tensorboard

    if options.json:
        write_json(options.json, {**report.as_json(), **facts})
    pages: list[tuple[str, Callable[[Report], str]]] = [
        ("html", html.page),
        ("junit", junit.document),
    ]
    for name, page in pages:
        if path := getattr(options, name):
            write_text(path, page(report), f"--{name}")
    if options.tensorboard:
        tensorboard.write(report, options.tensorboard)
    if "GITHUB_ACTIONS" in os.environ:
        sys.stdout.writelines(f"{line}\n" for line in annotations.lines(report))
