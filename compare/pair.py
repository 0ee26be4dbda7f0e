"""Two models that should be the same function: do their gradients agree."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from compare.capture import Model, map_tensors, tensors_in
from compare.case import Case, ComparisonError, truth, with_state_of
from compare.cotangents import ONE_NUMBER, TENSORS, Maker
from compare.layout import copy_with_layout
from compare.report import Report
from compare.trials import Trial, judge_trials


class ManualError(AssertionError):
    """The model in question raised; its own exception is the cause."""


def assert_gradients_match(manual: Model, reference: Model, *inputs: Any, **options: Any) -> Report:
    """``compare_gradients``, then an AssertionError that lists every tensor that disagrees.

    In a test::

        assert_gradients_match(my_softmax, torch.softmax, torch.randn(8, 10), -1)
    """
    __tracebackhide__ = True
    report = compare_gradients(manual, reference, *inputs, **options)
    if not report.passed:
        raise AssertionError(str(report))
    return report


def compare_gradients(
    manual: Model,
    reference: Model,
    *inputs: Any,
    loss: Model | tuple[Model, Model] | None = None,
    targets: Any = None,
    cotangents: Mapping[str, Maker] | None = None,
    seed: int = 0,
) -> Report:
    """Compare outputs and gradients of two modules or functions on the same values.

    Everything runs on copies, each time from the random state of the moment. Nothing is left
    behind: no hooks, no ``.grad``, no moved buffers, no random numbers used up.

    Args:
        manual: The one in question. As a module it gets the reference's parameters and buffers by
            name. Each module stays in the mode (train or eval) that it is in.
        reference: The one that is trusted. It also gives the truth: itself in float64.
        inputs: Positional arguments of both. The gradients to those tensors that require one are
            compared, or to all floating-point ones if none does.
        loss: What to differentiate, called with the output (and the targets, if given). A pair
            (manual loss, reference loss) where the loss is in question too. Without a loss the
            output itself is differentiated.
        targets: Second argument of the loss; no gradient is taken to it.
        cotangents: Incoming gradients by name. Default: ``cotangents.TENSORS``, or ``ONE_NUMBER``
            where a single number is differentiated.
        seed: Of the cotangents.

    Returns:
        One row for each tensor, in backward order; see ``Report``.

    Raises:
        ComparisonError: A ValueError. The two do not pair, there is nothing to differentiate, or
            the reference cannot vouch: it does not run in float64, or draws other random numbers
            there.
        ManualError: An AssertionError. Manual raised on what the reference could do.
        Exception: Whatever the reference itself raises.
    """
    if loss is None and targets is not None:
        raise ComparisonError("targets are the second argument of a loss, and there is no loss")
    losses = loss if isinstance(loss, tuple) else (loss, loss)
    values = _differentiable(inputs)
    case = Case(reference, losses[1], values, targets)
    case_manual = Case(with_state_of(reference, manual), losses[0], values, targets)
    outputs = case.outputs()
    if not outputs:
        raise ComparisonError("the reference returns no floating-point tensor to differentiate")
    if cotangents is None:
        cotangents = ONE_NUMBER if all(output.dim() == 0 for output in outputs) else TENSORS

    trials = []
    for name, maker in cotangents.items():
        fed_in = _feed(maker, outputs, seed)
        expected, random_state = case.gradients(fed_in)
        true = expected
        if any(item.tensor is not None and item.tensor.dtype != torch.float64 for item in expected):
            true = truth(case, fed_in, random_state)
        try:
            found, _ = case_manual.gradients(fed_in)
        except Exception as error:
            raise ManualError(f"manual raised {said(error)} (incoming gradient: {name})") from error
        size = max((float(c.abs().max()) for c in fed_in if c.numel()), default=0.0)
        trials.append(Trial(name, size, found, expected, true))
    dtypes = sorted({str(output.dtype).removeprefix("torch.") for output in outputs})
    return Report(judge_trials(trials), ", ".join(dtypes), seed)


def reference_trial(reference: Model, loss: Model, x: Tensor, targets: Any) -> Trial:
    """Autograd's side of a comparison, and the truth, under the 1 of ``loss.backward()``.

    The manual side is empty, for one whose gradients do not come from autograd.

    Raises:
        ComparisonError: see ``compare_gradients``.
    """
    case = Case(reference, loss, [x], targets)
    one = [torch.ones_like(output) for output in case.outputs()]
    expected, random_state = case.gradients(one)
    true = expected if x.dtype == torch.float64 else truth(case, one, random_state)
    return Trial("one", 1.0, [], expected, true)


def said(error: Exception) -> str:
    """The exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _feed(maker: Maker, outputs: Sequence[Tensor], seed: int) -> list[Tensor]:
    """One cotangent for each output, in its dtype and on its device, laid out as it was made."""
    generator = torch.Generator().manual_seed(seed)
    made = [maker(output, generator) for output in outputs]
    return [copy_with_layout(c, o.dtype, o.device) for c, o in zip(made, outputs, strict=True)]


def _differentiable(inputs: Sequence[Any]) -> list[Any]:
    if any(x.requires_grad for x in tensors_in(list(inputs))):
        return list(inputs)
    return [map_tensors(_requiring_gradient, x) for x in inputs]


def _requiring_gradient(x: Tensor) -> Tensor:
    return x.detach().requires_grad_(x.is_floating_point())
