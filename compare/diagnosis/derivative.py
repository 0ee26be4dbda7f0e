"""A derivative that is missing, taken at the wrong place, or only part of one."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from compare.diagnosis.clues import Clue, Clues
from compare.diagnosis.mistake import Diagnosis, Mistake

_FEATURES = 256  # of a layer whose Jacobian's diagonal is asked for, one vjp each


def missing(clues: Clues) -> Diagnosis | None:
    """m = g, or what an affine layer without its activation would have."""
    if clues.explained_by(lambda trial: trial.g if trial.of_input else None):
        return Diagnosis(
            Mistake.NO_DERIVATIVE,
            f"the incoming gradient is passed through unchanged: {_whose(clues)} is missing",
            1.0,
        )
    if clues.explained_by(_affine):
        return Diagnosis(
            Mistake.NO_DERIVATIVE,
            "it is correct for the affine part only: the activation's derivative is missing",
        )
    return None


def _whose(clues: Clues) -> str:
    label = clues.first.evidence.label.split(",")[0].split(" ")[-1]
    return f"the derivative of {label}" if label else "the derivative"


def _affine(trial: Clue) -> Tensor | None:
    """δW, δᵀx, Σδ with δ = g."""
    g, x = trial.g, trial.x
    if g.dim() != 2 or x.dim() != 2:
        return None
    if trial.of_input:
        weights = [w for w in trial.evidence.parameters.values() if w.dim() == 2]
        fitting = [w for w in weights if w.shape == (g.shape[1], x.shape[1])]
        return g @ fitting[0] if fitting else None
    has_matrix = any(p.dim() == 2 for p in trial.evidence.parameters.values())
    guesses = (g.T @ x, g.sum(0)) if has_matrix else ()
    return next((guess for guess in guesses if guess.shape == trial.t.shape), None)


def at_the_output(clues: Clues) -> Diagnosis | None:
    """f′(a) for f′(z), and the other way round for functions whose derivative is written in a."""

    def at_y(trial: Clue) -> Tensor | None:
        if trial.y.shape != trial.x.shape:
            return None
        inputs = [trial.y if x is trial.x else x for x in trial.evidence.inputs]
        return trial.vjp(inputs)

    if _is_elementwise(clues) and clues.explained_by(at_y):
        return Diagnosis(
            Mistake.AT_OUTPUT, "the derivative is evaluated at the output a instead of the input z"
        )
    for shown, of in (
        ("z(1 − z)", lambda z: z * (1 - z)),
        ("1 − z²", lambda z: 1 - z * z),
        ("e^z", torch.exp),
        ("z", lambda z: z),
    ):

        def at_z(trial: Clue, of=of) -> Tensor | None:
            return trial.g * of(trial.x) if trial.g.shape == trial.x.shape else None

        if clues.explained_by(at_z):
            return Diagnosis(
                Mistake.AT_OUTPUT,
                f"a formula in terms of the output a was given the input z: it is g · {shown}",
            )
    return None


def one_factor(clues: Clues) -> Diagnosis | None:
    """Of a derivative like a(1 − a) one factor alone."""
    if not clues.first.of_input or clues.first.g.shape != clues.first.t.shape:
        return None
    if not _is_elementwise(clues):
        return None
    for shown, of in (
        ("a", lambda t: t.y),
        ("1 − a", lambda t: 1 - t.y),
        ("1 + a", lambda t: 1 + t.y),
        ("a²", lambda t: t.y * t.y),
        ("1 − a", lambda t: 1 - t.y),
        ("σ(z)", lambda t: t.x.sigmoid()),
        ("σ′(z)", lambda t: t.x.sigmoid() * (-t.x).sigmoid()),
        ("tanh z", lambda t: t.x.tanh()),
        ("1 − tanh² z", lambda t: 1 - t.x.tanh() ** 2),
        ("Φ(z)", lambda t: torch.special.ndtr(t.x)),
    ):
        if clues.explained_by(lambda trial, of=of: trial.g * of(trial)):  # type: ignore[misc]
            return Diagnosis(
                Mistake.NO_DERIVATIVE,
                f"it is g · ({shown}): the rest of {_whose(clues)} is missing",
            )
    return None


def without_a_factor(clues: Clues) -> Diagnosis | None:
    """m = t · f: a denominator f is missing, as the a(1 − a) of binary cross entropy."""
    for shown, of in (
        ("x(1 − x)", lambda x: x * (1 - x)),
        ("x", lambda x: x),
        ("1 − x", lambda x: 1 - x),
        ("1 + x", lambda x: 1 + x),
        ("x²", lambda x: x * x),
    ):

        def guess(trial: Clue, of=of) -> Tensor | None:
            return trial.t * of(trial.x) if trial.x.shape == trial.t.shape else None

        if clues.explained_by(guess):
            return Diagnosis(
                Mistake.NO_DERIVATIVE, f"the denominator {shown} is missing, where x is the input"
            )
    return None


def _is_elementwise(clues: Clues) -> bool:
    """Whether each number of the input has to do with the same one of the output only."""
    trial = clues.first
    if trial.x.numel() == 0:
        return False
    if trial.g.numel() != trial.t.numel():
        return False
    place = int(trial.t.abs().argmax())  # one that something comes back to
    one = torch.zeros_like(trial.g)
    one.view(-1)[place] = 1
    found = trial.vjp(incoming=[one, *map(torch.zeros_like, trial.evidence.incoming[1:])])
    if found is None:
        return False
    found = found.flatten()
    return not bool(found[:place].any() or found[place + 1 :].any())


def cross_term(clues: Clues) -> Diagnosis | None:
    """Of a normalisation the Jacobian's diagonal alone, or without one of its sums."""
    first = clues.first
    if not first.of_input or first.g.shape != first.t.shape or first.t.dim() == 0:
        return None
    if _is_elementwise(clues):
        return None
    if clues.explained_by(_diagonal):
        return Diagnosis(
            Mistake.NO_CROSS_TERM,
            "the cross terms are missing: each output is differentiated by its own input only",
        )
    for shown, of in (("g · a", lambda t: t.g * t.y), ("g", lambda t: t.g)):
        if clues.explained_by(of):
            return Diagnosis(Mistake.NO_CROSS_TERM, f"the cross terms are missing: it is {shown}")
    if all(_is_scaled_incoming(trial) for trial in clues.wrong()) and _all_wrong(clues):
        return Diagnosis(
            Mistake.NO_CROSS_TERM,
            "the cross terms are missing: it is the incoming gradient times a scale, as if mean "
            "and variance were constants",
        )
    return None


def cross_line(clues: Clues) -> Diagnosis | None:
    """Of a normalisation, along each line off by a multiple of what one of its sums is taken of."""
    if not clues.first.of_input or clues.first.t.dim() == 0 or _is_elementwise(clues):
        return None
    lines: Sequence[tuple[str, Callable[[Clue, int], Tensor]]] = (
        ("the same number everywhere: a mean is missing", lambda t, dim: torch.ones_like(t.t)),
        ("the centred input times a sum", lambda t, dim: t.x - t.x.mean(dim, keepdim=True)),
        ("the output times a sum", lambda t, dim: t.y),
    )
    for shown, line in lines:
        for dim in (-1, 0):
            off = [_is_off_by(trial, line(trial, dim), dim) for trial in clues.wrong()]
            if all(off) and _all_wrong(clues):
                along = f"along dim {dim % clues.first.t.dim()} it is off by {shown}"
                return Diagnosis(Mistake.NO_CROSS_TERM, f"one of its cross terms is wrong: {along}")
    return None


def _all_wrong(clues: Clues) -> bool:
    return any(True for _ in clues.wrong()) and len(clues.trials) == len(clues.all)


def _diagonal(trial: Clue) -> Tensor | None:
    """g ⊙ diag J along the last dimension."""
    features = trial.g.shape[-1]
    if features > _FEATURES or len(trial.evidence.incoming) != 1:
        return None
    diagonal = torch.zeros_like(trial.g)
    for k in range(features):
        one = torch.zeros_like(trial.g)
        one[..., k] = 1
        found = trial.vjp(incoming=[one])
        if found is None:
            return None
        diagonal[..., k] = found[..., k]
    return trial.g * diagonal


def _is_scaled_incoming(trial: Clue) -> bool:
    """m = g · (one scale for each sample or each feature), the layer's own weight included."""
    weights = [w for w in trial.evidence.parameters.values() if w.shape == trial.g.shape[-1:]]
    for g in (trial.g, *(trial.g * weight for weight in weights)):
        for dim in range(g.dim()):
            along = _quotient((trial.m * g).sum(dim, keepdim=True), (g * g).sum(dim, keepdim=True))
            if trial.is_near(along * g):
                return True
    return False


def _quotient(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(b != 0, a / b, 0.0)


def _is_off_by(trial: Clue, line: Tensor, dim: int) -> bool:
    """Whether m − t is, in each line along ``dim``, a multiple of this one."""
    residual = trial.m - trial.t
    if line.shape != residual.shape or residual.shape[dim] < 3:
        return False
    squares = (line * line).sum(dim, keepdim=True)
    along = _quotient((residual * line).sum(dim, keepdim=True), squares)
    return trial.is_near(trial.t + along * line)
