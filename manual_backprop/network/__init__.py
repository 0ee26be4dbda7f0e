"""Network: backpropagation by the recursion of the lecture notes, without autograd.

``recursion.py`` is the textbook; around it stands what feeds it, evaluates it and makes it fast.
"""

from manual_backprop.network.recursion import Gradients, Network
from manual_backprop.network.trainable import Curves

__all__ = ["Curves", "Gradients", "Network"]
