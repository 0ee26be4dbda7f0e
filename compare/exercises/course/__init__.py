"""The exercises, in the order of the lecture notes and then beyond; a chapter is a file."""

from compare.exercises.course import (
    attention_and_memory,
    autograd_functions,
    choosing_layers,
    convolution_and_pooling,
    linear_layer,
    neuron,
    normalizations,
    output,
    probabilities,
    whole_network,
)
from compare.exercises.exercise import Exercise

_NOTES = neuron, output, linear_layer, whole_network, autograd_functions, probabilities
_BEYOND = choosing_layers, convolution_and_pooling, normalizations, attention_and_memory
#: All of them; the number of an exercise is its place, from 1.
COURSE: tuple[Exercise, ...] = (
    *(exercise for chapter in (*_NOTES, *_BEYOND) for exercise in chapter.EXERCISES),
    whole_network.DIGITS,
)
