"""The five lecture notes: their titles, and what each is about.

The titles of 000, 002 and 003 stand in the notes themselves. 001 and 004 have none: theirs are
ours.
"""

from typing import NamedTuple


class Note(NamedTuple):
    """One of the five."""

    title: str
    about: str


NOTES = {
    "000": Note(
        "Back propagation using different loss function",
        "δᴸ under squared error and cross entropy; the code for one example and for m",
    ),
    "001": Note(
        "The MNIST network by hand",
        "784-160-10 with ReLU and softmax: shapes, backward pass, fit, momentum",
    ),
    "002": Note(
        "Deep Learning",
        "from perceptron to backpropagation: activations, losses, gradient descent, examples",
    ),
    "003": Note(
        "Backpropagation",
        "the recursion for δ, derived index by index; the mean over the samples",
    ),
    "004": Note(
        "How results change with the loss function",
        "000 in full sentences: sigmoid and binary, softmax and categorical cross entropy",
    ),
}
