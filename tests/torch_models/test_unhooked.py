import pytest
from lightning.pytorch import Callback

from torch_models.classifier import Classifier
from torch_models.dashboards.logger import run_logger
from torch_models.interrupts import Interrupts
from torch_models.options import parse_train
from torch_models.train import build_trainer
from torch_models.unhooked import Unhooked

HOOKS = ("on_before_backward", "on_after_backward", "on_before_optimizer_step")


@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-mixed"])
def test_only_plain_float32_is_unhooked(precision, tmp_path):
    options = parse_train(
        ["--precision", precision, "--accelerator", "cpu", "--dashboards", "full"]
    )
    trainer = build_trainer(options, run_logger(tmp_path, "manual", "version_0"))
    assert isinstance(trainer.strategy.precision_plugin, Unhooked) == (precision == "32-true")
    for callback in (*trainer.callbacks, Interrupts(), Classifier()):
        of = Classifier.__mro__[1] if isinstance(callback, Classifier) else Callback
        for hook in HOOKS:  # which would not be called
            assert getattr(type(callback), hook) is getattr(of, hook), (callback, hook)
