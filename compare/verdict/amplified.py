"""Rounding that the layers behind it made large."""

from dataclasses import replace

import torch

from compare.trial.sides import Sides
from compare.trial.trial import Trial
from compare.verdict.judge import BUG, ROUNDING
from compare.verdict.judging import Results, judge_trials


def amplified(results: Results, sides: Sides) -> Results:
    """The rows, with what is rounding that the layers behind it made large called so.

    A ReLU whose input is 0 but for rounding opens on one side and stays shut on the other, and all
    behind it differs. Where every layer by itself is right, and the two agree in float64, it is
    that, and no fault.
    """
    judged = []
    for trial, rows in results:
        wrong = [row for row in rows if row.verdict == BUG]
        if wrong and not trial.raised and _agree_in_float64(trial, sides):
            reason = "made larger by the layers behind: in float64 the two agree"
            rows = [
                replace(row, verdict=ROUNDING, reason=reason) if row in wrong else row
                for row in rows
            ]
        judged.append((trial, rows))
    return judged


def _agree_in_float64(trial: Trial, sides: Sides) -> bool:
    if trial.truth is trial.reference:  # this was float64
        return False
    fed_in = [c.double() for c in trial.fed_in]
    try:
        items, _ = sides.manual.gradients(trial.given, fed_in, torch.float64)
    except Exception:
        return False
    exact = replace(trial, manual=items, reference=trial.truth, fed_in=fed_in)
    [(_, rows)] = judge_trials([exact], sides.pairing)
    return all(row.passed for row in rows)
