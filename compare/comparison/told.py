"""A layer at fault, a fault, a tensor that disagrees: each in one line."""

from collections.abc import Mapping, Sequence

from compare.blame.finding import Fault, JudgedLayer
from compare.comparison.words import SIGN_OF_ZERO, exposed, on
from compare.verdict.judge import BUG, NO_TRUTH, Row, less_accurate


def count(steps: int) -> str:
    """A number of ULP, in full while that is readable."""
    return f"{steps:,}" if steps < 10**9 else f"{steps:.1e}"


def accuse(layer: JudgedLayer) -> str:
    """A layer at fault and its mistakes, for one line."""
    mistakes = "; ".join(f"{f.gradient}: {f.diagnosis.sentence}" for f in layer.faults)
    return f"{layer.label} is wrong ({mistakes or layer.remark})"


def tell(fault: Fault) -> str:
    """A fault in one line: the gradient, the mistake, what exposed it, the numbers."""
    row = fault.row
    found = f"found {exposed(fault.input, fault.cotangent)}, seed {fault.seed}"
    if row.index is None:
        return f"{fault.gradient}: {fault.diagnosis.sentence} ({found})"
    numbers = f"{row.manual:.6g} instead of {row.reference:.6g} at {list(row.index)}"
    return f"{fault.gradient}: {fault.diagnosis.sentence} ({numbers}; {found})"


def tell_less_accurate(label: str, row: Row) -> str:
    """A tensor that is less accurate than the reference's, in one line."""
    name = f"{label}, {row.name}" if label else row.name
    found = exposed(row.input, row.cotangent)
    return f"{name}: {less_accurate(row).removeprefix('it is ')} (found {found})"


def incoming(cotangents: Sequence[str]) -> str:
    """The incoming gradients that something was tried with."""
    names = ("unit" if name == "one" else name for name in cotangents)
    return f"{', '.join(names)} incoming gradients"


def on_what(inputs: Mapping[str, Sequence[str]]) -> str:
    """The kinds of input with their incoming gradients, each list of these once."""
    kinds: dict[str, list[str]] = {}
    for kind, cotangents in inputs.items():
        kinds.setdefault(incoming(cotangents), []).append(on(kind))
    return "; ".join(f"on {', '.join(those)} with {fed_in}" for fed_in, those in kinds.items())


def culprit(row: Row) -> str:
    """Which layer has to do with a row, as far as that is known."""
    if row.kind == "output":
        return f"{row.name}, so the forward itself is wrong"
    return f"{row.name}, computed by the backward of {row.source}" if row.source else row.name


def describe(row: Row) -> str:
    """A row that disagrees, in one line."""
    found = f" (found {exposed(row.input, row.cotangent)})" if row.cotangent else ""
    parts = [row.verdict, row.reason]
    if row.max_abs is not None:
        parts += [
            f"max abs {row.max_abs:.3g}" if row.max_abs or row.exact else SIGN_OF_ZERO[4:-1],
            f"max rel {row.max_rel:.3g}",
            f"{count(row.max_ulp or 0)} ULP",
        ]
    if row.index is not None:
        parts += [f"{row.manual:.9g} instead of {row.reference:.9g} at {list(row.index)}"]
    if row.verdict == BUG and row.allowed is not None:
        parts += [
            f"{row.error_manual:.2g} away from the float64 truth, where rounding explains at most "
            f"{row.allowed:.2g}"
        ]
    if row.verdict == NO_TRUTH:
        parts = [row.verdict, row.reason]
    return f"{row.name}: {', '.join(part for part in parts if part)}{found}"
