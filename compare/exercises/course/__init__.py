"""The exercises, in the order of the lecture notes and then beyond; a chapter is a file."""

from compare.exercises.course import (
    functions,
    images,
    linear,
    neuron,
    normalizations,
    output,
    probabilities,
    sequences,
    training,
)
from compare.exercises.exercise import Exercise

_FIRST = neuron, output, linear, training, functions, probabilities
_BEYOND = images, normalizations, sequences
#: All of them; the number of an exercise is its place, from 1.
COURSE: tuple[Exercise, ...] = (
    *(exercise for chapter in (*_FIRST, *_BEYOND) for exercise in chapter.EXERCISES),
    training.DIGITS,
)
