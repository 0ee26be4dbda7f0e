"""The classifier in a Lightning script of somebody else's, on ordinary loaders."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader, TensorDataset

from torch_models import Classifier, ImageData, TrainingData

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec"),
]


@pytest.fixture(scope="module")
def data():
    """Two kinds of pictures, light above or light below."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(96) % 2
    x = torch.rand(96, 1, 28, 28, generator=generator) / 2
    for i, label in enumerate(labels):
        x[i, 0, 14 * label : 14 * label + 14] += 0.5
    return TensorDataset(x, labels)


def trainer(folder, **settings):
    return L.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        **settings,
    )


@pytest.mark.parametrize("backprop", ["autograd", "manual", "explicit"])
def test_fit_test_and_predict(backprop, data, tmp_path):
    loggers = [CSVLogger(tmp_path, "one"), CSVLogger(tmp_path, "two")]
    stop = EarlyStopping("loss/val", patience=1, min_delta=10)
    by = trainer(tmp_path, max_epochs=5, logger=loggers, callbacks=[stop, LearningRateMonitor()])
    classifier = Classifier(backprop, sizes="784-8-2", lr=0.05)
    by.fit(classifier, DataLoader(data, 32, shuffle=True), DataLoader(data, 64))
    assert by.current_epoch == 2  # stopped by loss/val
    assert by.global_step == 6
    [figures] = by.test(classifier, DataLoader(data, 40), verbose=False)
    assert figures.keys() == {"accuracy/test", "loss/test"}
    assert figures["accuracy/test"] == 1.0
    predicted = torch.cat(by.predict(classifier, DataLoader(data, 50)))
    assert torch.equal(predicted.argmax(1), data.tensors[1])
    assert torch.allclose(predicted.sum(1), torch.ones(96))
    for name in ("one", "two"):
        logged = (tmp_path / name / "version_0" / "metrics.csv").read_text()
        assert "loss/val" in logged
        assert "loss/train" in logged
        assert "accuracy/test" in logged
        assert "lr-" in logged
    again = Classifier.load_from_checkpoint(by.checkpoint_callback.best_model_path).eval()
    with torch.no_grad():
        assert torch.equal(again.probabilities(data.tensors[0][:50]), predicted[:50])


def test_other_networks_take_rows_of_pixels(data):
    x = data.tensors[0][:2]
    lenet = Classifier(network="lenet").eval()
    with torch.no_grad():
        assert torch.equal(lenet(x), lenet(x.flatten(1)))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"backprop": "by hand"}, "unknown backprop 'by hand': choose from autograd, manual"),
        ({"network": "cnn"}, "unknown network 'cnn': choose from mlp, lenet"),
        ({"network": "gpt", "attention": "flash"}, "unknown attention 'flash': choose from whole"),
        ({"momentum_form": "notes"}, "unknown momentum form 'notes': choose from torch, ema"),
        ({"sizes": "784, 10"}, "sizes must be numbers as in '784-160-10', got '784, 10'"),
    ],
)
def test_an_unknown_name_says_what_there_is(settings, says):
    with pytest.raises(ValueError, match=says):
        Classifier(**settings).configure_optimizers()


def weights_after(data, classifier, batch_size=32, **settings):
    by = trainer(None, max_epochs=1, logger=False, enable_checkpointing=False, **settings)
    by.fit(classifier, DataLoader(data, batch_size), DataLoader(data, 96))
    assert by.global_step == 3
    return torch.cat([w.detach().flatten() for w in classifier.parameters()])


def test_a_trainer_that_clips_gradients(data):
    small = {"backprop": "manual", "sizes": "784-8-2", "warmup": 2}
    ours = weights_after(data, Classifier(**small, clip=0.1))
    theirs = weights_after(data, Classifier(**small), gradient_clip_val=0.1)
    assert torch.equal(theirs, ours)
    assert not torch.equal(theirs, weights_after(data, Classifier(**small)))


def test_a_trainer_that_accumulates_gradients(data):
    whole = weights_after(data, Classifier("manual", sizes="784-8-2"))
    halves = Classifier("manual", sizes="784-8-2")
    accumulated = weights_after(data, halves, batch_size=16, accumulate_grad_batches=2)
    torch.testing.assert_close(accumulated, whole)


def test_what_a_trainer_cannot_clip(data):
    with pytest.raises(MisconfigurationException, match="not with backprop='explicit'"):
        weights_after(data, Classifier("explicit", sizes="784-8-2"), gradient_clip_val=1.0)
    no_files = {"logger": False, "enable_checkpointing": False}
    by = trainer(None, max_epochs=1, accumulate_grad_batches=2, **no_files)
    with pytest.raises(MisconfigurationException, match="steps_per_execution=1"):
        by.fit(Classifier("manual"), ImageData("digits"))


def test_samples_of_another_size():
    with pytest.raises(ValueError, match=r"expected samples with the 784 .* got \(3, 4\)"):
        Classifier()(torch.zeros(2, 3, 4))


@pytest.mark.parametrize(
    "loss", ["cross-entropy", "nll", "bce", "bce-with-logits", "mse", "squared-error"]
)
def test_probabilities_whatever_the_loss_reads(loss):
    classifier = Classifier(loss=loss)
    x = torch.rand(5, 784)
    with torch.no_grad():
        found, output = classifier.probabilities(x), classifier(x)
    assert 0 <= found.min() < found.max() <= 1
    assert torch.equal(found.argmax(1), output.argmax(1))
    if loss in ("cross-entropy", "nll"):
        assert torch.allclose(found.sum(1), torch.ones(5))


def test_the_data_have_a_name_here_too():
    assert TrainingData.__module__ == "torch_models.data"
    assert ImageData is TrainingData
