"""The networks, each by one builder over two namespaces.

``lenet(layers=torch.nn)`` and ``lenet(layers=manual_backprop)`` run the same lines, so the two have
the same initialisation and the same ``state_dict`` keys; only what computes the gradient differs.
"""
