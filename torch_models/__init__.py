"""The same networks in two namespaces, trained by one LightningModule.

    from torch_models import Classifier, TrainingData

The names are looked up when they are first used (PEP 562), so that ``python -m torch_models.train
--help`` answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch_models.classifier import Classifier as Classifier
    from torch_models.data import ImageData as ImageData
    from torch_models.data import TrainingData as TrainingData

_HOME = {
    "Classifier": "torch_models.classifier",
    "ImageData": "torch_models.data",
    "TrainingData": "torch_models.data",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from torch_models import extras

    with extras.named():
        return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
