"""The same network in two namespaces, trained on MNIST by one LightningModule.

Nothing is imported here, so that ``python -m torch_models.train --help`` answers at once.
"""
