"""The parts of a report as the entries of its JSON."""

import math
from typing import TYPE_CHECKING, Any

from compare.blame.finding import Fault, JudgedLayer
from compare.comparison import where
from compare.verdict.judge import Row

if TYPE_CHECKING:
    from compare.checks.check import Check

_COLUMNS = ("name", "kind", "exact", "max_abs", "max_rel", "max_ulp", "verdict")


def finite(value: Any) -> Any:
    """``value``, or None for a float that JSON does not know."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def tensor(row: Row) -> dict[str, Any]:
    """How near a tensor is to the reference's."""
    return {column: finite(getattr(row, column)) for column in _COLUMNS}


def less_accurate_tensor(label: str, row: Row) -> dict[str, Any]:
    """A tensor that is further from the truth than the reference's, in a layer or in none."""
    return {
        "layer": label,
        "name": row.name,
        "error": finite(row.error_manual),
        "allowed": finite(row.allowed),
        "conditioning": finite(row.conditioning),
        "input": row.input,
        "cotangent": row.cotangent,
    }


def judged_layer(layer: JudgedLayer) -> dict[str, Any]:
    """What was found of a layer by itself."""
    return {
        "layer": layer.name,
        "label": layer.label,
        "twin": layer.twin,
        "verdict": layer.verdict,
        "faults": [_fault(fault) for fault in layer.faults],
    }


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "gradient": fault.gradient,
        "diagnosis": fault.diagnosis.sentence,
        "mistake": str(fault.diagnosis.mistake),
        "factor": finite(fault.diagnosis.factor),
        "input": fault.input,
        "cotangent": fault.cotangent,
        "seed": fault.seed,
        "max_abs": finite(fault.row.max_abs),
        **where.as_json(fault),
    }


def check(found: "Check") -> dict[str, Any]:
    """What became of one that was asked for in addition."""
    return {
        "name": found.name,
        "passed": found.passed,
        "verdict": found.verdict,
        "detail": found.detail,
    }
