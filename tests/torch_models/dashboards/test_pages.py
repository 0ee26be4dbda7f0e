import pytest
import torch

from tests.exhaustive import some
from tests.torch_models.events import logged
from torch_models.dashboards import pages
from torch_models.names import NAMESPACES
from torch_models.train import main

FOUR = {f"{what}/{when}" for what in ("loss", "accuracy") for when in ("train", "val")}


def train(folder, *arguments):
    small = ["--dataset", "digits", "--hidden", "12", "--epochs", "2", "--log-dir", str(folder)]
    assert main([*small, *map(str, arguments)]) == 0


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
    train(tmp_path, "--backprop", backprop, "--batch-size", 8)
    run = tmp_path / backprop / "version_0"
    events = logged(run)
    scalars = set(events.Tags()["scalars"])
    norms = {f"norm of {what}/layer {n}" for what in ("delta", "gradient") for n in (1, 2)}
    training = {"training/learning rate", "training/examples per second"}
    assert scalars == FOUR | norms | training
    per_layer = {
        f"{what}/layer {n}"
        for what in ("weights", "gradients", "delta", "activations")
        for n in (1, 2)
    }
    assert set(events.Tags()["histograms"]) == per_layer
    assert all(len(events.Histograms(tag)) == 2 for tag in per_layer)
    assert {tag.partition("/")[2] for tag in events.Tags()["images"]} == {
        *("weights of layer 1", "misclassified", "confusion matrix", "precision against recall")
    }
    tensors = set(events.Tags()["tensors"])
    assert {f"precision against recall/class {digit}" for digit in range(10)} <= tensors
    assert "custom_scalars__config__" in tensors
    assert events.Tags()["graph"]
    assert (run / "projector_config.pbtxt").is_file()
    # 1,300 training images in 163 steps an epoch, 50 at a time.
    looks = [event.step + 1 for event in events.Scalars("norm of delta/layer 1")]
    assert looks == [100, 163, 263, 326]
    rates = [event.value for event in events.Scalars("training/examples per second")]
    assert all(1e2 < rate < 1e8 for rate in rates)
    assert [event.step for event in events.Scalars("loss/val")] == [162, 325]


def test_off_leaves_the_curves_alone(tmp_path, capsys):
    train(tmp_path, "--dashboards", "off")
    run = tmp_path / "autograd/version_0"
    events = logged(run)
    assert set(events.Tags()["scalars"]) == FOUR
    assert not events.Tags()["images"]
    assert not (run / "projector_config.pbtxt").exists()


def test_full_has_pictures_and_embeddings_of_each_epoch(tmp_path, capsys):
    found = {}
    for dashboards in ("lean", "full"):
        train(tmp_path / dashboards, "--dashboards", dashboards, "--epochs", 3)
        run = tmp_path / dashboards / "autograd/version_0"
        images = len(logged(run).Images("pictures/misclassified"))
        found[dashboards] = images, len(list((run / "projector").iterdir()))
    assert found == {"lean": (1, 1), "full": (3, 3)}


def test_the_projector_opens_with_the_last_epoch(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(pages.POINTS, True, 100)
    train(tmp_path, "--dashboards", "full", "--epochs", 10)
    folders = sorted((tmp_path / "autograd/version_0/projector").iterdir())
    assert [folder.name[-2:] for folder in folders] == [f"{n:02}" for n in range(1, 11)]
    points = [len((folder / "points.tsv").read_text().splitlines()) for folder in folders]
    assert points == [50] * 9 + [100]


def test_a_resumed_run_goes_on(tmp_path, capsys):
    train(tmp_path, "--epochs", 1)
    train(tmp_path, "--epochs", 3, "--resume", "last")
    run = tmp_path / "autograd/version_0"
    assert len(logged(run).Histograms("delta/layer 1")) == 3
    assert len(list((run / "projector").iterdir())) == 2


IMAGES = {"misclassified", "confusion matrix", "precision against recall"}
#: Network → what only it shows.
OWN = {
    "lenet": {"filters of layer 1", "feature maps of 0", "feature maps of 3"},
    "resnet": {"filters of layer 1", "feature maps of 0", "feature maps of 6.f.3"},
    "lstm": {"hidden state, row by row"},
    "vit": {f"attention of blocks.{i}.attention" for i in range(4)},
    "gpt": {f"attention of blocks.{i}.attention" for i in range(2)},
}
FEW = ["--epochs", "2", "--train-size", "16", "--val-size", "8", "--batch-size", "8"]


@pytest.mark.parametrize("network", some(["lenet", "lstm", "gpt"], OWN))
def test_each_network_shows_what_suits_it(few_samples, tmp_path, capsys, network):
    """And the look at it changes nothing: not the running means, not the masks of dropout."""
    dataset = "text" if network == "gpt" else "digits"
    options = ["--network", network, "--dataset", dataset, *FEW, "--log-dir"]
    ends = []
    for dashboards in ("full", "off"):
        assert main([*options, str(tmp_path / dashboards), "--dashboards", dashboards]) == 0
        run = tmp_path / dashboards / f"{network}-autograd/version_0"
        ends.append(torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"])
    for name, weight in ends[1].items():
        assert torch.equal(ends[0][name], weight), name
    said = capsys.readouterr().out
    run = tmp_path / f"full/{network}-autograd/version_0"
    tags = logged(run).Tags()
    pictures = {tag.removeprefix("pictures/") for tag in tags["images"]}
    assert pictures == OWN[network] | (set() if network == "gpt" else IMAGES)
    assert any(tag.startswith("norm of delta/") for tag in tags["scalars"])
    assert any(tag.startswith("activations/") for tag in tags["histograms"])
    assert tags["graph"]
    assert (run / "projector_config.pbtxt").exists() == (network != "gpt")
    assert ("generated text/text_summary" in tags["tensors"]) == (network == "gpt")
    assert ("test bits per byte" in said) == (network == "gpt")
