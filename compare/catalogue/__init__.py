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
        attention,
        average_pooling,
        convolutional,
        distance,
        embeddings,
        gated_activation,
        in_blocks,
        loss,
        margin_loss,
        max_pooling,
        normalization,
        piecewise_activation,
        recomputing,
        recurrent_layers,
        regression_loss,
        regularization,
        reshaping,
        smooth_activation,
    )

    activations = activation, smooth_activation, piecewise_activation, gated_activation
    images = convolutional, max_pooling, average_pooling, reshaping
    sequences = embeddings, attention, recurrent_layers
    layers = affine, *activations, *images, normalization, regularization, *sequences, distance
    chapters = *layers, loss, regression_loss, margin_loss, in_blocks, recomputing
    return [entry for chapter in chapters for entry in chapter.ENTRIES]


def specimens() -> list["Specimen"]:
    """All that is planted, bugs first."""
    from compare.catalogue import composed, unseen, volumes

    found = [specimen for entry in entries() for specimen in entry.specimens()]
    found += [*composed.SPECIMENS, *unseen.SPECIMENS, *volumes.SPECIMENS]
    return sorted(found, key=lambda specimen: specimen.is_right)
