"""Network: backpropagation by the recursion of the lecture notes, without autograd."""

from manual_backprop.network.network import Gradients, Network

__all__ = ["Gradients", "Network"]
