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
    # They import torch, which takes seconds.
    from compare.catalogue import (
        activation,
        affine,
        attention,
        average_pooling,
        convolutional,
        loss,
        max_pooling,
        recurrent_layers,
        reshaping,
    )

    images = convolutional, max_pooling, average_pooling, reshaping
    sequences = attention, recurrent_layers
    chapters = affine, activation, *images, *sequences, loss
    return [entry for chapter in chapters for entry in chapter.ENTRIES]


def specimens() -> list["Specimen"]:
    """All that is planted, bugs first."""
    from compare.catalogue import composed, not_yet, unseen

    found = [specimen for entry in entries() for specimen in entry.specimens()]
    found += [*not_yet.SPECIMENS, *composed.SPECIMENS, *unseen.SPECIMENS]
    return sorted(found, key=lambda specimen: specimen.is_right)
