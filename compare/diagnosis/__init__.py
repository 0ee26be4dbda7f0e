"""What the mistake is: a wrong gradient held against the mistakes that people make.

Each hypothesis says what manual would have computed if it were the mistake, for every trial that is
there: other inputs, other incoming gradients, other batch sizes. It holds only if it explains all
of them, those in which manual is right included. The simplest that holds is the diagnosis.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from compare.diagnosis import (
    batch,
    derivative,
    incoming,
    jacobian,
    local,
    masks,
    numbers,
    parts,
    places,
    scale,
    stale,
    tensors,
    weights,
)
from compare.diagnosis.clues import Clues
from compare.diagnosis.evidence import Evidence
from compare.diagnosis.mistake import Diagnosis, Mistake
from compare.trial.given import GIVEN
from compare.trial.key import Key, Kind

Hypothesis = Callable[[Clues], Diagnosis | None]

#: From what is certain to what is guessed.
OF_GRADIENTS: Sequence[Hypothesis] = (
    places.wrong_shape,
    stale.detached,
    numbers.overflow,
    scale.sign,
    stale.ignores_incoming,
    incoming.first_for_all,
    incoming.never_changes,
    stale.unstrided,
    scale.factor,
    places.transposed,
    places.permuted,
    derivative.missing,
    derivative.at_the_output,
    derivative.one_factor,
    weights.transposed,
    weights.updated,
    weights.swapped,
    weights.flipped,
    derivative.cross_term,
    places.wrong_axis,
    places.of_another,
    batch.part,
    parts.where,
    weights.without_target,
    local.changed,
    derivative.cross_line,
    jacobian.turned_on,
    jacobian.overwritten,
    jacobian.rescaled,
    tensors.factor,
    tensors.term,
    parts.lines,
    masks.missing,
    masks.too_many,
    masks.another,
    parts.only_where,
    stale.earlier,
    parts.mask,
    parts.between,
    derivative.without_a_factor,
    weights.added,
    incoming.always_adds,
    numbers.clipped,
    numbers.lower_precision,
    numbers.rounding,
)
OF_OUTPUTS: Sequence[Hypothesis] = (
    places.wrong_shape,
    numbers.overflow,
    scale.sign,
    scale.factor,
    places.transposed,
    places.permuted,
    weights.without_target,
    weights.added,
    parts.where,
    parts.only_where,
    numbers.clipped,
    numbers.lower_precision,
    numbers.rounding,
)


def diagnose(gradient: Key, trials: Sequence[Evidence], wrong: int | None = None) -> Diagnosis:
    """What is wrong with one gradient of a layer, or with its output.

    Where nothing explains all trials, perhaps the mistake is made in some of them only.

    Args:
        gradient: Its key in the layer run by itself.
        trials: Runs of the layer by itself, first those in which it is wrong; those in which it is
            right count as well.
        wrong: How many are wrong; None where that is not to be asked.
    """
    every = Clues(gradient, trials)
    diagnosis = _named(every)
    if wrong is None or diagnosis.mistake is not Mistake.UNKNOWN:
        return diagnosis
    there = list(dict.fromkeys(e.input for e in trials[:wrong]))
    elsewhere = list(dict.fromkeys(e.input for e in trials[wrong:] if e.input not in there))
    only = _named(every.among(trials[:wrong]))
    if GIVEN not in there:
        return replace(only, sentence=f"only on some inputs ({', '.join(there)}): {only.sentence}")
    if elsewhere and only.mistake is not Mistake.UNKNOWN:
        return replace(
            only, sentence=f"on all inputs but some ({', '.join(elsewhere)}): {only.sentence}"
        )
    given = _named(every.among([e for e in trials if e.input == GIVEN]))
    if given.mistake is not Mistake.UNKNOWN:
        return replace(given, sentence=f"on the original input: {given.sentence}")
    return diagnosis


def _named(clues: Clues) -> Diagnosis:
    forward = clues.gradient.kind is Kind.OUTPUT
    for hypothesis in OF_OUTPUTS if forward else OF_GRADIENTS:
        try:
            found = hypothesis(clues)
        except Exception:
            continue  # a guess that the reference cannot even be asked about
        if found is not None:
            return _of_the_forward(found) if forward else found
    located = Diagnosis(Mistake.UNKNOWN, parts.located(clues))
    return _of_the_forward(located) if forward else located


def _of_the_forward(found: Diagnosis) -> Diagnosis:
    said = found.sentence
    if said.startswith("it "):
        said = f"the output {said.removeprefix('it ')}"
    elif "explains it:" in said:
        said = said.replace("explains it:", "explains the output:", 1)
    else:
        said = said.replace(" it is ", " the output is ", 1)
    sentence = f"the forward is wrong: {said}"
    return Diagnosis(Mistake.FORWARD, sentence, found.factor)
