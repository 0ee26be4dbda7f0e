"""The lecture notes, recomputed: one file a system, each a list of rows.

Each file reads like the part of the notes it is about: the example that the rows share, then one
row for every figure and equation, in the order of the notes. What only demonstrates something
(the angle to the gradient, a deep thin network, one hidden layer as an approximator) is a
function above the rows that use it, and what is drawn stands in ``plots.py``.
"""
