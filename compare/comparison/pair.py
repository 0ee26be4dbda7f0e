"""Two models that should be the same function: do their gradients agree."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import torch
from torch import Tensor

from compare.blame.each_layer import Whole, blame, unexplained
from compare.blame.finding import ORIGINATES
from compare.comparison import annotations
from compare.comparison.remarks import remarks
from compare.comparison.report import Asked, Report
from compare.comparison.surrogates import behind
from compare.repair import SECONDS, repaired
from compare.repair.location import located
from compare.trial.case import Case, truth
from compare.trial.cotangents import Maker, feed, makers
from compare.trial.derived import kinds
from compare.trial.errors import ComparisonError, said
from compare.trial.given import GIVEN, Given, tensors_in
from compare.trial.key import Kind
from compare.trial.question import Question
from compare.trial.randomness import random_state, undisturbed
from compare.trial.recorder import Model, class_name
from compare.trial.sides import Sides
from compare.trial.trial import Trial, mode_matters, run, without_slow
from compare.verdict.excuses import excused
from compare.verdict.judging import Results, judge_trials


def assert_gradients_match(manual: Model, reference: Model, *inputs: Any, **options: Any) -> Report:
    """Fail unless the outputs and gradients of two modules or functions agree.

    In a test::

        assert_gradients_match(my_softmax, torch.softmax, torch.randn(8, 10), -1)

    Args:
        manual, reference, inputs, options: As in ``compare_gradients``.

    Returns:
        The report, if they agree.

    Raises:
        AssertionError: They do not; the message names the layer, the mistake and the line.
        ComparisonError: They cannot be compared; see ``compare_gradients``.
    """
    __tracebackhide__ = True
    report = compare_gradients(manual, reference, *inputs, **options)
    if not report.passed:
        fail(report)
    return report


def fail(report: Report, *more: str) -> NoReturn:
    """Raise an AssertionError that says what the report says, and ``more`` below it."""
    __tracebackhide__ = True
    if "GITHUB_ACTIONS" in os.environ:
        sys.stdout.writelines(f"{line}\n" for line in annotations.lines(report))
    raise AssertionError("\n".join([str(report), *more]))


def compare_gradients(
    manual: Model,
    reference: Model,
    *inputs: Any,
    loss: Model | tuple[Model, Model] | None = None,
    targets: Any = None,
    mapping: Mapping[str, str] | None = None,
    cotangents: Mapping[str, Maker] | None = None,
    seed: int = 0,
    strict: bool = False,
    layers: bool = True,
    surrogates: Sequence[str] = (),
    repair: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
    waiting: Callable[[str], None] = lambda _: None,
) -> Report:
    """Compare the outputs and gradients of two modules or functions on the same values.

    Both run on copies and from the same random state. Nothing is left behind: no hooks, no
    ``.grad``, no changed buffers, and the random number generators are restored.

    Args:
        manual: The model to check. A module gets the reference's parameters and buffers, and stays
            in its mode, train or eval.
        reference: The model to trust. In float64 it also provides the truth.
        inputs: Positional arguments of both, of any shapes. Gradients are compared for the tensors
            that require one, or for all floating-point ones if none does.
        loss: Called with the output (and the targets, if given), to get what is differentiated. A
            pair (manual's, reference's) to check the loss as well. Without a loss the output itself
            is differentiated.
        targets: Second argument of the loss; no gradient is taken for it.
        mapping: Names of manual's submodules, parameters or buffers, each with the name of its
            counterpart in the reference, where they cannot be paired by name or order.
        cotangents: Incoming gradients by name. Default: ``cotangents.TENSORS``, or ``ONE_NUMBER``
            where a single number is differentiated.
        seed: Seed of the cotangents, and of the inputs made from those given.
        strict: At a kink, where the reference is not differentiable, accept only the reference's
            own choice; by default any subgradient is accepted.
        layers: Whether to check each layer on its own as well, and on further inputs made from
            those given.
        surrogates: Names of manual's layers whose gradient differs from that of the forward on
            purpose, such as that of a step function. They are reported but do not fail.
        repair: Seconds to search, for each wrong gradient, for a change of the source that corrects
            it; 0 for no search, None for ``repair.SECONDS``.
        progress: Called with the name of each step, for a progress bar.
        waiting: Called with what is being searched for, if that takes more than two seconds.

    Returns:
        A row for each tensor in backward order, and a verdict for each layer; see ``Report``.

    Raises:
        ComparisonError: (a ValueError) The two cannot be paired, there is nothing to differentiate,
            or the reference cannot be used: it raises an error, does not run in float64, or draws
            other random numbers there.
    """
    if loss is None and targets is not None:
        raise ComparisonError("targets are the second argument of a loss, but no loss was given")
    question = Question(manual, reference, inputs, loss, targets, mapping, seed)
    sides = question.sides(by_layer=True)
    with undisturbed(tensors_in(inputs)):
        given = question.given
        progress("the whole model")
        asked_on = kinds(given, reference, seed) if layers else [given]
        asked_on = without_slow(asked_on, sides.reference)
        results, asked = _run_whole(sides, asked_on, cotangents, seed)
        results = behind(results, sides, given, surrogates)
        found = []
        if layers:
            whole = Whole(sides, given, results)
            found = blame(whole, seed, strict=strict, surrogates=surrogates, progress=progress)
        if not any(layer.verdict == ORIGINATES for layer in found):
            results = excused(results, sides, strict=strict, whole=layers)
            found = unexplained(results, found, seed) if layers else []
        found = [located(layer) for layer in found]
        seconds = SECONDS if repair is None else repair
        found = repaired(found, seconds, seed, waiting)
        found = [replace(layer, piece=None) for layer in found]
    outputs = [i.tensor for i in results[0][0].reference if i.kind is Kind.OUTPUT]
    dtypes = sorted({str(x.dtype).removeprefix("torch.") for x in outputs if x is not None})
    return Report(
        trials=[rows for _, rows in results if rows],
        dtype=", ".join(dtypes),
        seed=seed,
        layers=found,
        inputs=asked,
        remarks=tuple(remarks(sides, [trial for trial, _ in results])),
        title=f"{class_name(manual) or 'manual'} against {class_name(reference) or 'reference'}",
    )


def _run_whole(
    sides: Sides, asked_on: Iterable[Given], cotangents: Mapping[str, Maker] | None, seed: int
) -> tuple[Results, list[Asked]]:
    """What is given under all incoming gradients, what is derived from it under the first."""
    trials: list[Trial] = []
    asked = []
    for kind in asked_on:
        try:
            found = _run_kind(sides, kind, cotangents, seed)
        except ComparisonError as error:
            if kind.kind == GIVEN:
                raise
            asked.append(Asked(kind.kind, left_out=str(error)))
        except Exception as error:
            if kind.kind == GIVEN:
                raise ComparisonError(f"the reference raised {said(error)}") from error
            if not kind.optional:
                why = f"the reference rejects it: {said(error)}"
                asked.append(Asked(kind.kind, left_out=why))
        else:
            trials += found
            if found:
                asked.append(Asked(kind.kind, tuple(trial.cotangent for trial in found)))
    return judge_trials(trials, sides.pairing), asked


def _run_kind(
    sides: Sides, given: Given, cotangents: Mapping[str, Maker] | None, seed: int
) -> list[Trial]:
    """The trials on one kind of input; none where it would show nothing new.

    Raises:
        ComparisonError: There is nothing to judge by.
        Exception: Whatever the reference raises.
    """
    outputs = sides.reference.outputs(given)
    if given.kind == GIVEN and not outputs:
        raise ComparisonError("the reference returns no floating-point tensor to differentiate")
    if given.kind != GIVEN and not all(bool(x.isfinite().all()) for x in outputs):
        raise ComparisonError("the reference is infinite or NaN there")
    if given.training is not None and not mode_matters(sides, given):
        return []
    chosen = cotangents or makers(outputs)
    if given.kind != GIVEN:
        chosen = dict(list(chosen.items())[:1])
    found = run(sides, given, {name: feed(maker, outputs, seed) for name, maker in chosen.items()})
    refused = [trial.raised for trial in found if trial.raised and trial.refused]
    if refused:
        raise ComparisonError(f"manual rejects it: {said(refused[0])}")
    try:
        _ = found[0].truth  # to be told now that there is none
    except ComparisonError:
        if given.kind == GIVEN:
            raise
        raise ComparisonError("there is no float64 truth to judge by") from None
    return found


def reference_trial(reference: Model, loss: Model, x: Tensor, targets: Any) -> Trial:
    """Autograd's side of a comparison, and the truth, under the 1 of ``loss.backward()``.

    The manual side is empty, for one whose gradients do not come from autograd.

    Raises:
        ComparisonError: see ``compare_gradients``.
    """
    with undisturbed([x]):
        case = Case(reference, loss)
        values = Given([x], {}, targets, random_state([x]))
        one = [torch.ones_like(output) for output in case.outputs(values)]
        expected, after = case.gradients(values, one)
        true = expected if x.dtype == torch.float64 else truth(case, values, one, after)
        return Trial("one", one, [], expected, lambda: true, values)
