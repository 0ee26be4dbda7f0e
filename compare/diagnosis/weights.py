"""The wrong weight: its transpose, one that was updated before use, another one."""

from itertools import chain, combinations, permutations

from torch import Tensor

from compare.diagnosis.clues import Clue, Clues
from compare.diagnosis.mistake import Diagnosis, Mistake
from compare.trial.key import Key, Kind


def transposed(clues: Clues) -> Diagnosis | None:
    """W instead of Wᵀ in a square layer."""
    for name, weight in clues.first.evidence.parameters.items():
        if weight.dim() == 2 and weight.shape[0] == weight.shape[1]:

            def guess(trial: Clue, name: str = name) -> Tensor | None:
                return trial.vjp(parameters={name: trial.evidence.parameters[name].T})

            if clues.explained_by(guess):
                return Diagnosis(
                    Mistake.WRONG_WEIGHT, f"it is computed with {name} transposed: W instead of Wᵀ"
                )
    return None


def updated(clues: Clues) -> Diagnosis | None:
    """The weight after a step of its own gradient: m = t − η vjp(∂L/∂W), fitted for η."""
    for name in clues.first.evidence.parameters:
        rates = []
        for trial in clues.trials:
            own = trial.evidence.right.get(Key(Kind.PARAMETER, name))
            if own is None or name == clues.parameter:
                break
            moved = trial.vjp(parameters={name: trial.evidence.parameters[name] + own})
            if moved is None:
                break
            change = moved - trial.t
            square = float((change * change).sum())
            if square == 0:
                continue
            rate = -float(((trial.m - trial.t) * change).sum()) / square
            stepped = trial.vjp(parameters={name: trial.evidence.parameters[name] - rate * own})
            if stepped is None or not trial.is_near(stepped):
                break
            rates.append(rate)
        else:
            rate = rates[0] if rates else 0.0
            if rate and all(abs(r - rate) <= 1e-2 * abs(rate) for r in rates):
                return Diagnosis(
                    Mistake.WRONG_WEIGHT,
                    f"it is computed with {name} after its update: {name} − {rate:.4g} · gradient",
                    rate,
                )
    return None


def swapped(clues: Clues) -> Diagnosis | None:
    """Two parameters of one shape, one in place of the other; or one that is not there at all."""
    parameters = clues.first.evidence.parameters
    for one, other in permutations(list(parameters)[:8], 2):
        if parameters[one].shape != parameters[other].shape:
            continue

        def guess(trial: Clue, one: str = one, other: str = other) -> Tensor | None:
            return trial.vjp(parameters={one: trial.evidence.parameters[other]})

        if clues.explained_by(guess):
            return Diagnosis(Mistake.WRONG_WEIGHT, f"it is computed with {other} in place of {one}")
    for name in list(parameters)[:8]:
        for shown, of in (("0", lambda w: w * 0), ("1", lambda w: w * 0 + 1)):

            def without(trial: Clue, name: str = name, of=of) -> Tensor | None:
                return trial.vjp(parameters={name: of(trial.evidence.parameters[name])})

            if name != clues.parameter and clues.explained_by(without):
                return Diagnosis(Mistake.WRONG_WEIGHT, f"{name} is left out, as if it were {shown}")
    return None


def flipped(clues: Clues) -> Diagnosis | None:
    """A kernel turned round, as between convolution and correlation, or in some dimensions only."""
    for name, weight in clues.first.evidence.parameters.items():
        space = [d for d in range(2, weight.dim()) if weight.shape[d] > 1]
        if name == clues.parameter:
            continue
        for dims in chain.from_iterable(combinations(space, n) for n in range(len(space), 0, -1)):

            def guess(trial: Clue, name: str = name, dims=dims) -> Tensor | None:
                return trial.vjp(parameters={name: trial.evidence.parameters[name].flip(dims)})

            if clues.explained_by(guess):
                along = ", ".join(map(str, dims))
                where = "in space" if len(dims) == len(space) else f"in dim {along} alone"
                return Diagnosis(
                    Mistake.WRONG_WEIGHT, f"it is computed with {name} flipped {where}"
                )
    return None


def added(clues: Clues) -> Diagnosis | None:
    """m = t + λ w, or a constant."""
    for shown, of in (
        ("the parameter itself, as of a weight decay", _parameter),
        ("the incoming gradient, which a skip connection hands on,", _incoming),
        ("a constant", lambda trial: trial.t * 0 + 1),
        ("a bias that is left out", _bias),
    ):
        rates = []
        for trial in clues.trials:
            term = of(trial)
            if term is None:
                break
            rate = float(((trial.m - trial.t) * term).sum() / (term * term).sum())
            if not trial.is_near(trial.t + rate * term):
                break
            rates.append(rate)
        else:
            rate = rates[0] if rates else 0.0
            if abs(rate) > 1e-12 and all(abs(r - rate) <= 1e-2 * abs(rate) for r in rates):
                if of is _bias:
                    return Diagnosis(
                        Mistake.ADDED, f"{shown}: it is off by {rate:.4g} · bias", rate
                    )
                return Diagnosis(Mistake.ADDED, f"{rate:.4g} times {shown} is added", rate)
    return None


def without_target(clues: Clues) -> Diagnosis | None:
    """In each sample off in one place by the same, or by a multiple of the target."""
    sentence = "the target is left out of it"
    wrong = list(clues.wrong())
    if not wrong or len(clues.trials) < len(clues.all):
        return None
    if all(_off_in_one_place(trial) for trial in wrong):
        return Diagnosis(
            Mistake.NO_TARGET, f"{sentence}: in each sample one number is off by the same amount"
        )
    for trial in wrong:
        others = [x for x in trial.evidence.inputs if x is not trial.x]
        residual = trial.m - trial.t
        if not any(_is_multiple(trial, residual, x) for x in others):
            return None
    return Diagnosis(Mistake.NO_TARGET, f"{sentence}: it is off by a multiple of the other input")


def _off_in_one_place(trial: Clue) -> bool:
    if trial.t.dim() != 2 or trial.t.shape[1] < 2 or not trial.of_input:
        return False
    residual = trial.m - trial.t
    off = residual.abs() > trial.tolerance(trial.t)
    if not bool((off.sum(1) == 1).all()):
        return False
    by = residual[off]
    return bool(((by - by[0]).abs() <= 1e-3 * by[0].abs()).all())


def _is_multiple(trial: Clue, residual: Tensor, x: Tensor) -> bool:
    if x.shape != residual.shape or not bool(x.any()):
        return False
    rate = float((residual * x).sum() / (x * x).sum())
    return trial.is_near(trial.t + rate * x)


def _parameter(trial: Clue) -> Tensor | None:
    return None if trial.of_input else trial.evidence.parameters.get(trial.gradient.name)


def _incoming(trial: Clue) -> Tensor | None:
    return trial.g if trial.of_input and trial.g.shape == trial.t.shape else None


def _bias(trial: Clue) -> Tensor | None:
    bias = trial.evidence.parameters.get("bias")
    if bias is None or trial.gradient.kind is Kind.PARAMETER:
        return None
    if trial.t.dim() > 1 and trial.t.shape[1:2] == bias.shape and trial.t.dim() != 2:
        bias = bias.reshape(-1, *[1] * (trial.t.dim() - 2))
    return bias.expand_as(trial.t)
