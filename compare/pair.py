"""Two models that should be the same function: do their gradients agree."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from compare.capture import Item, Model, capture, forward, map_tensors, tensors_in
from compare.cotangents import ONE_NUMBER, TENSORS, Maker
from compare.layout import copy_with_layout
from compare.report import Report
from compare.trials import Trial, judge_trials

M = TypeVar("M", bound=Model)


class ComparisonError(ValueError):
    """The two do not pair, or the reference cannot vouch for anything; the message says why."""


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
    losses = loss if isinstance(loss, tuple) else (loss, loss)
    values = _differentiable(inputs)
    case = _Case(reference, losses[1], values, targets)
    case_manual = _Case(with_state_of(reference, manual), losses[0], values, targets)
    outputs = case.outputs()
    if not outputs:
        raise ComparisonError("the reference returns no floating-point tensor to differentiate")
    if cotangents is None:
        cotangents = ONE_NUMBER if all(output.dim() == 0 for output in outputs) else TENSORS

    trials = []
    for name, maker in cotangents.items():
        fed_in = _feed(maker, outputs, seed)
        expected, state = case.gradients(fed_in)
        truth = expected
        if any(item.tensor is not None and item.tensor.dtype != torch.float64 for item in expected):
            truth = _truth(case, fed_in, state)
        try:
            found, _ = case_manual.gradients(fed_in)
        except Exception as error:
            raise ManualError(f"manual raised {said(error)} (incoming gradient: {name})") from error
        size = max((float(c.abs().max()) for c in fed_in if c.numel()), default=0.0)
        trials.append(Trial(name, size, found, expected, truth))
    dtypes = sorted({str(output.dtype).removeprefix("torch.") for output in outputs})
    return Report(judge_trials(trials), ", ".join(dtypes), seed)


@dataclass(frozen=True)
class _Case:
    """A model and what it is given. Every run gets copies, and the same random state."""

    model: Model
    loss: Model | None
    inputs: Sequence[Any]
    targets: Any

    def outputs(self) -> list[Tensor]:
        with self._fork(), torch.no_grad():
            return forward(*self._copies(None))

    def gradients(
        self, cotangents: Sequence[Tensor], dtype: torch.dtype | None = None
    ) -> tuple[list[Item], Tensor]:
        """What ``capture`` gives, and the state of the CPU's random numbers after it."""
        with self._fork(), torch.enable_grad():
            items = capture(*self._copies(dtype), cotangents)
            return items, torch.get_rng_state()

    def _copies(self, dtype: torch.dtype | None) -> tuple[Model, Any, Model | None, Any]:
        def copied(x: Tensor) -> Tensor:
            wanted = dtype if x.is_floating_point() else None
            return copy_with_layout(x, wanted).requires_grad_(x.requires_grad)

        def copied_model(model: Any) -> Any:
            model = copy.deepcopy(model)
            return model.to(dtype) if dtype and isinstance(model, nn.Module) else model

        inputs, targets = map_tensors(copied, (self.inputs, self.targets))
        return copied_model(self.model), inputs, copied_model(self.loss), targets

    def _fork(self) -> AbstractContextManager[None]:
        tensors = list(tensors_in(list(self.inputs)))
        if isinstance(self.model, nn.Module):
            tensors += self.model.parameters()
        devices = {t.device.index for t in tensors if t.is_cuda}
        return torch.random.fork_rng(devices=sorted(devices))


def said(error: Exception) -> str:
    """The exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _truth(case: _Case, cotangents: Sequence[Tensor], state: Tensor) -> list[Item]:
    try:
        truth, state_in_float64 = case.gradients([c.double() for c in cotangents], torch.float64)
    except (RuntimeError, TypeError) as error:
        raise ComparisonError(
            f"the reference does not run in float64, so there is no truth to judge by: {error}"
        ) from error
    if any(item.tensor is not None and item.tensor.dtype != torch.float64 for item in truth):
        raise ComparisonError(
            "the reference leaves float64 although all that it is given is float64, so there is no "
            "truth to judge by: let its dtype follow its inputs"
        )
    if not torch.equal(state, state_in_float64):
        raise ComparisonError(
            "the reference draws other random numbers in float64, so that its float64 run is not "
            "the truth: compare in eval mode, or give the random tensors as inputs"
        )
    return truth


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


def with_state_of(reference: Model, manual: M) -> M:
    """A copy of manual with the reference's parameters, buffers and ``requires_grad``, by name.

    Raises:
        ComparisonError: One has a parameter or buffer that the other lacks, or of another shape.
    """
    manual = copy.deepcopy(manual)
    theirs, ours = _state(reference), _state(manual)
    for side, names in (
        ("manual", theirs.keys() - ours.keys()),
        ("the reference", ours.keys() - theirs.keys()),
    ):
        if names:
            raise ComparisonError(
                f"the two do not pair: {side} lacks {', '.join(sorted(names))}; "
                f"parameters and buffers must have the same names on both sides"
            )
    with torch.no_grad():
        for name, source in theirs.items():
            target = ours[name]
            if target.shape != source.shape:
                raise ComparisonError(
                    f"the two do not pair: {name} is {tuple(target.shape)} in manual and "
                    f"{tuple(source.shape)} in the reference"
                )
            target.copy_(source)
            if target.is_floating_point():
                target.requires_grad_(source.requires_grad)
    return manual


def _state(model: Model) -> dict[str, Tensor]:
    if not isinstance(model, nn.Module):
        return {}
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
