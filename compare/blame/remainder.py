"""What is left where the whole is wrong and every layer by itself is right."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from compare.blame.finding import ORIGINATES, Fault, JudgedLayer
from compare.diagnosis.mistake import Diagnosis, Mistake
from compare.trial.case import Case
from compare.trial.pairing import Pairing
from compare.trial.trial import Trial, judge_trials
from compare.verdict.judge import BUG, ROUNDING, Row

Results = list[tuple[Trial, list[Row]]]


def amplified(results: Results, manual: Case, pairing: Pairing) -> Results:
    """The rows, with what is rounding that the layers behind it made large called so.

    A ReLU whose input is 0 but for rounding opens on one side and stays shut on the other, and all
    behind it differs. Where every layer by itself is right, and the two agree in float64, it is
    that, and no fault.
    """
    judged = []
    for trial, rows in results:
        wrong = [row for row in rows if row.verdict == BUG]
        if wrong and not trial.raised and _agree_in_float64(trial, manual, pairing):
            reason = "made larger by the layers behind: in float64 the two agree"
            rows = [
                replace(row, verdict=ROUNDING, reason=reason) if row in wrong else row
                for row in rows
            ]
        judged.append((trial, rows))
    return judged


def _agree_in_float64(trial: Trial, manual: Case, pairing: Pairing) -> bool:
    if trial.truth is trial.reference:  # this was float64
        return False
    fed_in = [c.double() for c in trial.fed_in]
    try:
        items, _ = manual.gradients(trial.given, fed_in, torch.float64)
    except Exception:
        return False
    exact = replace(trial, manual=items, reference=trial.truth, fed_in=fed_in)
    [(_, rows)] = judge_trials([exact], pairing)
    return all(row.passed for row in rows)


def unexplained(results: Results, layers: Sequence[JudgedLayer], seed: int) -> list[JudgedLayer]:
    """The layers, and the model itself where something is wrong that none of them accounts for."""
    wrong: dict[str, Row] = {}
    for row in (row for _, rows in results for row in rows if row.verdict == BUG):
        wrong.setdefault(row.name, row)
    if not wrong:
        return list(layers)
    sentence = (
        "no layer is wrong by itself; look for what one call leaves behind for the next, and for "
        "what is done to weights or activations in place"
    )
    faults = tuple(
        Fault(name, Diagnosis(Mistake.UNKNOWN, sentence), row, row.input, seed)
        for name, row in list(wrong.items())[:1]
    )
    known = [layer for layer in layers if layer.name]
    return [*known, JudgedLayer("", "the model as a whole", "", ORIGINATES, faults)]
