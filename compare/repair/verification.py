"""What a change is tried on: what the layer was judged on, and what was derived for it alone."""

from collections.abc import Sequence

from compare.blame.judged_piece import judge_piece
from compare.blame.piece import Piece
from compare.diagnosis.mistake import Mistake
from compare.repair.probes import Arrangement, Probe, probe, reference_run, same, setting
from compare.repair.sizes import other_sizes
from compare.repair.variations import other_numbers, other_settings
from compare.trial.cotangents import feed, makers
from compare.trial.derived import BESIDE_KINKS, ROUNDED, kinds
from compare.trial.given import GIVEN, Given
from compare.trial.key import Key

# At kinks another subgradient than the reference's may be right: there the verdicts decide.
_AT_KINKS = (ROUNDED, BESIDE_KINKS)

#: Seconds of CPU of a forward of the reference: what takes longer is asked on small sizes instead.
SLOW = 0.01
_LARGE = 20_000  # numbers of an input that is not small


def probes(piece: Piece, seed: int, at_kinks: bool, slow: bool) -> tuple[list[Probe], bool]:
    """Of all calls, kinds of input and variations; and whether there are other sizes among them.

    Args:
        piece: The layer.
        seed: Of the incoming gradients.
        at_kinks: Whether to ask at kinks as well: where it is wrong there alone.
        slow: Whether to ask once as it was given, and everything else on small sizes, if it has
            them.
    """
    if slow and (small := _small(piece, seed)) is not None:
        return _of_small(piece, small, seed, at_kinks), True
    found: list[Probe] = []
    wide = False
    for number, (given, _) in enumerate(piece.calls[:3]):
        as_given = setting(piece.sides, given)
        found += _asked(as_given, seed, ("random", "one-hot", "one"))
        if number == 0:
            for at in _variations(as_given, seed):
                more = _asked(at, seed + 1, ("random",))
                wide |= at.apart and bool(more)
                found += more
        if piece.derive:
            for kind in _derived(piece, given, seed):
                at = setting(piece.sides, kind)
                if kind.training is not None and _alike(at, as_given):
                    continue
                if kind.kind not in _AT_KINKS or at_kinks:
                    found += _asked(at, seed, ("random",))
    return found, wide


def _small(piece: Piece, seed: int) -> Arrangement | None:
    """The same layer with sizes of a dozen at most, as far as it has them."""
    made = other_sizes(setting(piece.sides, piece.calls[0][0]), seed + 3)
    largest = max((x.numel() for x in made.given.tensors), default=0) if made else 0
    return made if largest < _LARGE else None


def _of_small(piece: Piece, small: Arrangement, seed: int, at_kinks: bool) -> list[Probe]:
    found = _asked(setting(piece.sides, piece.calls[0][0]), seed, ("random",))
    found += _asked(small, seed, ("random", "one-hot", "one"))
    for at in [other_numbers(small, seed + 1), *other_settings(small)]:
        found += _asked(at, seed + 1, ("random",))
    for kind in kinds(small.given, small.reference, seed) if piece.derive else ():
        usual = kind.kind == GIVEN or kind.long or kind.training is not None
        if not usual and (kind.kind not in _AT_KINKS or at_kinks):
            at = small.copy(kind.kind)
            at.given = kind
            found += _asked(at, seed, ("random",))
    return found


def _alike(at: Arrangement, usual: Arrangement) -> bool:
    """Whether the reference gives out the same in both."""
    try:
        return same(reference_run(at, None)[0], reference_run(usual, None)[0])
    except Exception:
        return False


def _derived(piece: Piece, given: Given, seed: int) -> list[Given]:
    every = kinds(given, piece.sides.reference.model, seed)
    return [kind for kind in every if kind.kind != GIVEN and not kind.long]


def _variations(at: Arrangement, seed: int) -> list[Arrangement]:
    made = [other_numbers(at, seed + i) for i in (1, 2)]
    for i in (3, 4):
        if (sizes := other_sizes(at, seed + i)) is not None:
            made.append(sizes)
    return [*made, *other_settings(at)]


def _asked(at: Arrangement, seed: int, names: Sequence[str]) -> list[Probe]:
    """Under these incoming gradients, where the two compute the same."""
    try:
        outputs, _ = reference_run(at, None)
    except Exception:
        return []
    found = []
    for name, maker in makers(outputs).items():
        if name in names:
            made = probe(at, [c.double() for c in feed(maker, outputs, seed)])
            if made is None:
                return []
            found.append(made)
    return found


def verdicts(piece: Piece, keys: Sequence[Key], seed: int) -> tuple[set[Key], int]:
    """Those gradients that are judged right now, on all that a layer is judged on, and on how much.

    Two seeds: with one alone, what was found on it may be right on nothing else.
    """
    right, trials = set(keys), 0
    for other in (seed, seed + 1):
        judged = judge_piece(piece, other, strict=False)
        trials += judged.trials
        if judged.remark and not judged.rows:
            return set(), 0
        if any(f.diagnosis.mistake is Mistake.RAISED for f in judged.faults.values()):
            return set(), 0
        right -= {fault.row.key for fault in judged.faults.values()}
    return right, trials
