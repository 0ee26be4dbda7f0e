import warnings

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from torch_models import pages, pictures, probe, projector
from torch_models.classifier import Classifier
from torch_models.names import LOSSES, NAMESPACES
from torch_models.networks import loss_function
from torch_models.train import main

FOUR = {f"{what}/{when}" for what in ("loss", "accuracy") for when in ("train", "val")}


def train(folder, *arguments):
    small = ["--dataset", "digits", "--hidden", "12", "--epochs", "2", "--log-dir", str(folder)]
    assert main([*small, *map(str, arguments)]) == 0


def logged(run):
    everything = {"images": 0, "tensors": 0, "histograms": 0, "scalars": 0}
    events = EventAccumulator(str(run), size_guidance=everything)
    events.Reload()
    return events


def batch(m=7):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(m, 784, dtype=torch.float64, generator=generator)
    return x, torch.arange(m) % 10


def classifier(backprop, loss="cross-entropy", activation="tanh"):
    return Classifier(backprop, "784-6-5-10", activation, loss).double()


@pytest.mark.parametrize("backprop", NAMESPACES)
def test_training_is_the_same_with_and_without(tmp_path, capsys, backprop):
    ends, states = [], []
    for dashboards in ("off", "lean", "full"):
        torch.manual_seed(1)
        train(tmp_path / dashboards, "--backprop", backprop, "--dashboards", dashboards)
        states.append(torch.get_rng_state())
        path = tmp_path / dashboards / backprop / "version_0/checkpoints/last.ckpt"
        ends.append(torch.load(path, weights_only=True))
    for other in ends[1:]:
        for name, weight in ends[0]["state_dict"].items():
            assert torch.equal(weight, other["state_dict"][name]), name
        assert str(other["optimizer_states"]) == str(ends[0]["optimizer_states"])
    assert all(torch.equal(states[0], state) for state in states[1:])


@pytest.mark.parametrize("backprop", NAMESPACES)
def test_every_page_has_something(tmp_path, capsys, backprop):
    train(tmp_path, "--backprop", backprop, "--batch-size", 16)
    run = tmp_path / backprop / "version_0"
    events = logged(run)
    scalars = set(events.Tags()["scalars"])
    norms = {f"norm of {what}/layer {n}" for what in ("delta", "gradient") for n in (1, 2)}
    training = {"training/learning rate", "training/examples per second"}
    assert scalars == FOUR | {"loss/test", "accuracy/test"} | norms | training
    per_layer = {
        f"{what}/layer {n}"
        for what in ("weights", "gradients", "delta", "activations")
        for n in (1, 2)
    }
    assert set(events.Tags()["histograms"]) == per_layer
    assert all(len(events.Histograms(tag)) == 2 for tag in per_layer)
    assert {tag.partition("/")[2] for tag in events.Tags()["images"]} == {
        *("weights of layer 1", "misclassified", "confusion matrix")
    }
    tensors = set(events.Tags()["tensors"])
    assert {f"precision against recall/class {digit}" for digit in range(10)} <= tensors
    assert "custom_scalars__config__" in tensors
    assert events.Tags()["graph"]
    assert (run / "projector_config.pbtxt").is_file()
    # 1,300 training images in 82 steps an epoch: looks after 50, 82, 100, 150 and 164 steps.
    assert [event.step for event in events.Scalars("norm of delta/layer 1")] == [
        *(49, 81, 99, 149, 163)
    ]
    rates = [event.value for event in events.Scalars("training/examples per second")]
    assert all(1e2 < rate < 1e8 for rate in rates)
    assert [event.step for event in events.Scalars("loss/val")] == [81, 163]


def test_off_leaves_the_curves_alone(tmp_path, capsys):
    train(tmp_path, "--dashboards", "off")
    run = tmp_path / "autograd/version_0"
    events = logged(run)
    assert set(events.Tags()["scalars"]) == FOUR | {"loss/test", "accuracy/test"}
    assert not events.Tags()["images"]
    assert not (run / "projector_config.pbtxt").exists()


def test_full_has_pictures_and_embeddings_of_each_epoch(tmp_path, capsys):
    found = {}
    for dashboards in ("lean", "full"):
        train(tmp_path / dashboards, "--dashboards", dashboards, "--epochs", 3)
        run = tmp_path / dashboards / "autograd/version_0"
        images = len(logged(run).Images("pictures/misclassified"))
        found[dashboards] = images, len(list((run / "projector").iterdir()))
    assert found == {"lean": (2, 1), "full": (3, 3)}


def test_a_resumed_run_goes_on(tmp_path, capsys):
    train(tmp_path, "--epochs", 1)
    train(tmp_path, "--epochs", 3, "--resume", "last")
    run = tmp_path / "autograd/version_0"
    assert len(logged(run).Histograms("delta/layer 1")) == 3
    assert len(list((run / "projector").iterdir())) == 2


class TestProbe:
    @pytest.mark.parametrize("backprop", NAMESPACES)
    @pytest.mark.parametrize("loss", LOSSES)
    def test_against_autograd_of_the_biases(self, backprop, loss):
        """∂L/∂bˡ = Σₙ δˡₙ and ∂L/∂Wˡ = δˡᵀ aˡ⁻¹, the left sides by plain autograd."""
        model, (x, labels) = classifier(backprop, loss), batch()
        layers = probe.layers(model, x, labels)
        truth = classifier("autograd", loss).network
        truth.load_state_dict(model.network.state_dict())
        loss_function(loss)(truth(x), labels).backward()
        linears = [layer for layer in truth if isinstance(layer, nn.Linear)]
        inputs = [x, *(layer.activation for layer in layers)]
        assert len(layers) == len(linears) == 3
        for layer, linear, a in zip(layers, linears, inputs, strict=False):
            torch.testing.assert_close(layer.delta.sum(0), linear.bias.grad)
            torch.testing.assert_close(layer.delta.T @ a, linear.weight.grad)
            torch.testing.assert_close(layer.gradient, linear.weight.grad)
            assert torch.equal(layer.weight, linear.weight)
        torch.testing.assert_close(layers[-1].activation, truth(x))

    @pytest.mark.parametrize("backprop", NAMESPACES)
    def test_leaves_the_training_alone(self, backprop):
        model, (x, labels) = classifier(backprop), batch()
        state = torch.get_rng_state()
        grads = [torch.randn_like(p) for p in model.network.parameters()]
        torch.set_rng_state(state)
        for p, grad in zip(model.network.parameters(), grads, strict=True):
            p.grad = grad.clone()
        with torch.no_grad():
            probe.layers(model, x, labels)
        for p, grad in zip(model.network.parameters(), grads, strict=True):
            assert torch.equal(p.grad, grad)
            assert p.requires_grad
        assert torch.equal(torch.get_rng_state(), state)

    @pytest.mark.parametrize("loss", LOSSES)
    def test_probabilities(self, loss):
        model, (x, _) = classifier("manual", loss), batch()
        p = probe.probabilities(model, x)
        assert p.min() >= 0
        assert p.max() <= 1
        assert torch.equal(p.argmax(1), model.network(x).argmax(1))
        if loss in ("cross-entropy", "nll"):
            torch.testing.assert_close(p.sum(1), torch.ones(7, dtype=p.dtype))

    def test_last_hidden(self):
        model, (x, labels) = classifier("autograd"), batch()
        hidden = probe.last_hidden(model, x)
        torch.testing.assert_close(hidden, probe.layers(model, x, labels)[1].activation)


class TestHistograms:
    def write(self, folder, values):
        with SummaryWriter(str(folder)) as writer:
            pages._histogram(writer, "it", values, 3)
        return logged(folder)

    def test_counts_and_edges(self, tmp_path):
        values = torch.tensor([[-1.0, 0, 0.25], [0.5, 1, 1]])
        [event] = self.write(tmp_path, values).Histograms("it")
        found = event.histogram_value
        assert (event.step, found.num, found.min, found.max) == (3, 6, -1, 1)
        assert found.sum == pytest.approx(1.75)
        assert len(found.bucket) == len(found.bucket_limit) == pages.BINS + 1
        assert sum(found.bucket) == 6
        assert (found.bucket[0], found.bucket[1], found.bucket[-1]) == (0, 1, 2)
        assert (found.bucket_limit[0], found.bucket_limit[-1]) == (-1, 1)

    def test_all_the_same(self, tmp_path):
        [event] = self.write(tmp_path, torch.zeros(5)).Histograms("it")
        assert sum(event.histogram_value.bucket) == 5

    def test_what_is_no_number_is_left_out(self, tmp_path):
        values = torch.tensor([float("nan"), float("inf"), 2, 4])
        [event] = self.write(tmp_path / "some", values).Histograms("it")
        assert event.histogram_value.num == 2
        assert not self.write(tmp_path / "none", values[:2]).Tags()["histograms"]


class TestPictures:
    @pytest.mark.parametrize(("neurons", "size"), [(1, (60, 60)), (12, (300, 180))])
    def test_first_layer(self, neurons, size):
        W = torch.zeros(neurons, 784)
        W[0, 0], W[0, 783] = 1, -1
        picture = pictures.first_layer(W).convert("RGB")
        assert picture.size == size
        assert picture.getpixel((2, 2)) == pictures.VERMILLION
        assert picture.getpixel((57, 57)) == pictures.BLUE
        assert min(picture.getpixel((30, 30))) >= 253

    def test_first_layer_of_many_neurons_or_of_nan(self):
        assert pictures.first_layer(torch.randn(1000, 784)).size[0] < 1500
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pictures.first_layer(torch.full((1, 784), float("nan")))

    def test_mistakes_the_most_confident_first(self):
        x = torch.zeros(3, 784)
        x[2] = 1  # black
        labels = torch.tensor([0, 1, 1])
        probabilities = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2]])
        picture = pictures.mistakes(x, labels, probabilities)
        assert picture.getpixel((40, 60)) == (0, 0, 0)
        assert picture.getpixel((140, 60)) == (255, 255, 255)
        without = pictures.mistakes(x, torch.zeros(3, dtype=torch.long), probabilities)
        assert without.getpixel((40, 60)) == (255, 255, 255)

    def test_confusion_matrix(self):
        picture = pictures.confusion_matrix(torch.tensor([[9, 0], [4, 5]]))
        right, never, wrong = ((66, 66), (118, 66), (66, 118))
        assert picture.getpixel(right) == pictures.BLUE
        assert picture.getpixel(never) == (246, 246, 246)
        assert picture.getpixel(wrong) == pictures.VERMILLION


def test_projector_files(tmp_path):
    points, x = torch.rand(5, 3), torch.zeros(5, 784)
    x[4] = 1
    labels, said = torch.tensor([0, 1, 2, 3, 4]), torch.tensor([0, 1, 2, 3, 9])
    for name in ("epoch 1", "epoch 2", "epoch 2"):
        projector.write(tmp_path, name, points, x, labels, said)
    folder = tmp_path / "projector/epoch 2"
    rows = [line.split("\t") for line in (folder / "points.tsv").read_text().splitlines()]
    assert [[float(v) for v in row] for row in rows] == pytest.approx(points.numpy(), abs=1e-3)
    assert (folder / "labels.tsv").read_text().splitlines()[-1] == "4\t9\t1"
    sprite = Image.open(folder / "images.png")
    assert sprite.size == (84, 84)
    assert sprite.getpixel((28 + 14, 28 + 14)) == 0
    assert sprite.getpixel((14, 14)) == 255
    assert (tmp_path / "projector_config.pbtxt").read_text().count("embeddings {") == 2
