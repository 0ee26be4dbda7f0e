"""From the command line to a report: any two models, or our own."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from compare.checks import ask
from compare.checks.check import Check
from compare.command import console
from compare.command.device import device_named
from compare.comparison.pair import compare_gradients
from compare.comparison.report import Report
from compare.gradients import importing
from compare.reports import files, terminal
from compare.trial.errors import ComparisonError, UnjudgedError
from compare.trial.given import map_tensors
from compare.trial.question import Question
from compare.trial.recorder import is_layer
from torch_models import extras


def compare(options: argparse.Namespace) -> bool:
    """Ask what the options ask, show and write what was found; whether it passed.

    Raises:
        UnjudgedError: The reference is no number.
    """
    if options.tensorboard:
        extras.need("tensorboard", "--tensorboard")
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
    terminal.show(report)
    files.write(report, options, facts)
    if report.unjudged:
        raise UnjudgedError("could not be judged: the reference is infinite or NaN")
    return report.passed


def _any_two(options: argparse.Namespace) -> tuple[Report, Question]:
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


def _own(options: argparse.Namespace) -> tuple[Report, Question, dict[str, Any]]:
    from compare.command import our_network

    device = device_named(options.device)
    samples = our_network.load(options)
    manual, reference = (our_network.built(way, options) for way in ("manual", "autograd"))
    x, labels = _batch(options, samples)
    models = (manual.network, reference.network, (manual.loss, reference.loss), (x,), labels)
    question = _question(_moved(models, getattr(torch, options.dtype), device), options, None)
    report = _judge(question, options)
    title = f"manual against autograd: {our_network.describe(options, samples)}, batch of {len(x)}"
    facts = {"dataset": samples.name, "dtype": options.dtype, "seed": options.seed}
    return _titled(report, title), question, facts


def _explicit(options: argparse.Namespace) -> tuple[Report, None, dict[str, Any]]:
    from compare.command import our_network
    from compare.comparison.explicit_gradients import compare_explicit

    if options.also:
        raise ComparisonError(f"--also {','.join(options.also)}: the explicit way has no autograd")
    device = device_named(options.device)
    samples = our_network.load(options)
    network = our_network.built("autograd", options).network
    assert isinstance(network, nn.Sequential)
    x, labels = _batch(options, samples)
    report = compare_explicit(
        network.to(device),
        options.activation,
        options.loss,
        x.to(device),
        labels.to(device),
        options.seed,
    )
    title = (
        f"explicit against autograd: {our_network.describe(options, samples)}, batch of {len(x)}"
    )
    facts = {"dataset": samples.name, "dtype": options.dtype, "seed": options.seed}
    return _titled(report, title), None, facts


def _batch(options: argparse.Namespace, samples: Any) -> tuple[Tensor, Tensor]:
    from compare.command import our_network

    x, labels = next(samples.training_batches(options.batch_size, options.seed).of_epoch(0))
    return our_network.as_input(x, options), labels


def _question(
    values: Sequence[Any], options: argparse.Namespace, mapping: dict[str, str] | None
) -> Question:
    manual, reference, loss, inputs, targets = values
    return Question(manual, reference, inputs, loss, targets, mapping, options.seed)


def _judge(question: Question, options: argparse.Namespace) -> Report:
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
            surrogates=options.surrogate,
            repair=options.repair,
            progress=lambda _: advance(),
            waiting=advance.says,
        )


def _checks(question: Question, names: Sequence[str]) -> list[Check]:
    with console.progress(console.stdout(), "asking further", len(names)) as advance:
        found = []
        for name in names:
            found.append(ask(name, question))
            advance()
    return found


def _moved(values: Sequence[Any], dtype: Any, device: Any) -> list[Any]:
    """Modules and floating-point tensors in the dtype, all on the device."""

    def moved(value: Any) -> Any:
        if isinstance(value, nn.Module):
            return value.to(device=device, dtype=dtype)
        if isinstance(value, tuple):
            return tuple(map(moved, value))
        return map_tensors(
            lambda x: x.to(device=device, dtype=dtype if x.is_floating_point() else None), value
        )

    return [moved(value) for value in values]


def _titled(report: Report, title: str) -> Report:
    return replace(report, title=title)
