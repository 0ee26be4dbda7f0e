"""Every layer, described in one place: its calls, its twin, what people get wrong in its backward.

The tests, ``python -m compare.layers`` and ``python -m compare.mutants`` take what they need from
here. A chapter is a file with a list ``ENTRIES``.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compare.catalogue.entry import Entry
    from compare.catalogue.specimen import Specimen


def entries() -> list["Entry"]:
    """All layers, chapter by chapter."""
    from compare.catalogue import (  # they import torch, which takes seconds
        activation,
        affine,
        distance,
        gated_activation,
        loss,
        margin_loss,
        piecewise_activation,
        regression_loss,
        smooth_activation,
    )

    return [
        *affine.ENTRIES,
        *activation.ENTRIES,
        *smooth_activation.ENTRIES,
        *piecewise_activation.ENTRIES,
        *gated_activation.ENTRIES,
        *distance.ENTRIES,
        *loss.ENTRIES,
        *regression_loss.ENTRIES,
        *margin_loss.ENTRIES,
    ]


def specimens() -> list["Specimen"]:
    """All that is planted, bugs first."""
    from compare.catalogue import composed, not_yet, unseen

    found = [specimen for entry in entries() for specimen in entry.specimens()]
    found += [*not_yet.SPECIMENS, *composed.SPECIMENS, *unseen.SPECIMENS]
    return sorted(found, key=lambda specimen: specimen.is_right)
