"""Too few digits, or too many zeros in the exponent: precision, overflow, clipping."""

import torch
from torch import Tensor

from compare.diagnosis.clues import Clue, Clues
from compare.diagnosis.mistake import Diagnosis, Mistake
from compare.verdict.judge import largest

_LOWER = {
    torch.float64: (torch.float32, torch.float16, torch.bfloat16),
    torch.float32: (torch.float16, torch.bfloat16),
    torch.float16: (torch.bfloat16,),
    torch.bfloat16: (),
}


def overflow(clues: Clues) -> Diagnosis | None:
    """Infinite or NaN where the reference is finite."""
    bad = [
        trial for trial in clues.trials if bool((~trial.m.isfinite() & trial.t.isfinite()).any())
    ]
    if not bad:
        return None
    trial = bad[0]
    wrong = ~trial.m.isfinite() & trial.t.isfinite()
    kinds = ", ".join(dict.fromkeys(t.evidence.input for t in bad))
    word = "NaN" if bool(trial.m[wrong].isnan().any()) else "infinite"
    where = ""
    if trial.x.shape == wrong.shape:
        at = trial.x[wrong]
        where = f", where the input is {_range(at)}"
    return Diagnosis(
        Mistake.OVERFLOW,
        f"it is {word} in {int(wrong.sum())} of {wrong.numel()} places on {kinds} inputs{where}",
    )


def _range(x: Tensor) -> str:
    low, high = float(x.min()), float(x.max())
    return f"{low:.3g}" if low == high else f"{low:.3g} … {high:.3g}"


def clipped(clues: Clues) -> Diagnosis | None:
    """m = t, cut off at ±c."""
    trial = clues.first
    limit = float(trial.m.abs().max()) if trial.m.numel() else 0.0
    if limit > 0 and clues.explained_by(lambda t: t.t.clamp(-limit, limit)):
        return Diagnosis(Mistake.CLIPPED, f"it is clipped at ±{limit:.4g}", limit)
    return None


def lower_precision(clues: Clues) -> Diagnosis | None:
    """Errors of the size that another dtype makes, without a pattern."""
    wrong = list(clues.wrong())
    in_doubt = wrong or [t for t in clues.trials if _relative_error(t) > 0]
    for dtype in _LOWER[clues.first.evidence.dtype]:
        eps, tiny = torch.finfo(dtype).eps, torch.finfo(dtype).smallest_normal
        # What it holds at all; smaller ones, as of a tiny incoming gradient, are lost in it.
        held = [t for t in in_doubt if largest(t.t) > tiny / eps]
        lost = [t for t in in_doubt if largest(t.t) <= tiny / eps]
        if any(largest(t.m - t.t) > tiny for t in lost) or not held:
            continue
        if all(_relative_error(t) <= 2 * eps for t in held) and any(
            _relative_error(t) >= eps / 32 for t in held
        ):
            if not all(_looks_random(t) for t in held):
                continue
            stored = all(bool((t.m == t.m.to(dtype).double()).all()) for t in in_doubt)
            how = (
                "every number is representable in"
                if stored
                else "its errors are as large as those of"
            )
            name = str(dtype).removeprefix("torch.")
            also = " or TF32" if dtype == torch.float16 and not stored else ""
            return Diagnosis(
                Mistake.LOWER_PRECISION,
                f"it is computed in lower precision than it claims: {how} {name}{also}, "
                f"relative error {_relative_error(held[0]):.1e}",
                _relative_error(held[0]),
            )
    return None


def rounding(clues: Clues) -> Diagnosis | None:
    """A little more than what is allowed, without a pattern."""
    eps = torch.finfo(clues.first.evidence.dtype).eps
    if all(_relative_error(t) <= 256 * eps and _looks_random(t) for t in clues.trials):
        times = _relative_error(clues.first) / eps
        return Diagnosis(
            Mistake.ROUNDING,
            f"it is off by rounding only, but by {times:.0f} eps of its largest number",
        )
    return None


def _relative_error(trial: Clue) -> float:
    size = largest(trial.t)
    return largest(trial.m - trial.t) / size if size else 0.0


def _looks_random(trial: Clue) -> bool:
    """Errors of both signs that have nothing to do with the numbers themselves."""
    error = (trial.m - trial.t).flatten()
    error = error[error != 0]
    if len(error) < 8:
        return len(error) < trial.t.numel() or trial.t.numel() < 8
    positive = float((error > 0).double().mean())
    return 0.2 < positive < 0.8 and not _is_a_function_of_x(trial)


def _is_a_function_of_x(trial: Clue) -> bool:
    """Whether the sign of the error stays, going from one input to the next larger one."""
    if not trial.x.shape == trial.g.shape == trial.t.shape or trial.t.numel() < 16:
        return False
    error = ((trial.m - trial.t) * trial.g).flatten()[trial.x.flatten().argsort()]
    signs = error[error != 0].sign()
    return len(signs) >= 16 and float((signs[1:] != signs[:-1]).double().mean()) < 0.3
