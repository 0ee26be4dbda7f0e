"""The same networks in two namespaces, trained by one LightningModule.

Nothing is imported here, so that ``python -m torch_models.train --help`` answers at once.
"""
