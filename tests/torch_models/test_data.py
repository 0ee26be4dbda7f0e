import gzip
import shutil
import struct
import tracemalloc

import pytest
import torch

from torch_models import datasets, mnist
from torch_models.batches import Batches, ShuffledBatches
from torch_models.mnist import DataError, NoDataError


def test_batches_keep_the_last_partial_one():
    images, labels = torch.arange(10.0).view(5, 2), torch.arange(5)
    batches = list(Batches(images, labels, 2))
    assert [len(y) for _, y in batches] == [2, 2, 1]
    assert torch.equal(torch.cat([x for x, _ in batches]), images)


def test_order_depends_on_seed_and_epoch_only():
    def order(seed, epoch):
        batches = ShuffledBatches(torch.arange(50.0).view(50, 1), torch.arange(50), 8, seed=seed)
        torch.rand(3)  # the global random state plays no part
        pairs = list(batches.of_epoch(epoch))
        assert all(torch.equal(x[:, 0].long(), y) for x, y in pairs)
        return torch.cat([y for _, y in pairs]).tolist()

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(*key)) for key in ((0, 0), (0, 1), (1, 0), (1, 1))}) == 4
    assert sorted(order(3, 2)) == list(range(50))


@pytest.mark.parametrize(("images", "labels", "size"), [(0, 0, 1), (3, 2, 1), (3, 3, 0)])
def test_no_batches_of_nothing(images, labels, size):
    with pytest.raises(ValueError, match="batch"):
        Batches(torch.zeros(images, 2), torch.zeros(labels), size)


def test_digits_are_real_and_apart():
    images = datasets.load("digits")
    assert [len(y) for _, y in (images.train, images.val, images.test)] == [1300, 137, 360]
    for x, y in (images.train, images.val, images.test):
        assert x.shape == (len(y), 784)
        assert 0 <= x.min() <= x.max() <= 1
        assert y.unique().tolist() == list(range(10))
    assert not torch.equal(images.val[0], datasets.load("digits", seed=1).val[0])
    assert torch.equal(images.test[0], datasets.load("digits", seed=1).test[0])


def test_auto_without_files_is_digits_with_a_warning(tmp_path):
    images = datasets.load("auto", tmp_path, download_absent=False)
    assert images.name == "digits"
    assert "missing" in images.warning
    with pytest.raises(NoDataError, match="missing"):
        datasets.load("mnist", tmp_path, download_absent=False)


@pytest.mark.parametrize("dataset", ["mnist", "auto", "fashion-mnist"])
def test_a_damaged_file_is_refused_by_name(tmp_path, dataset):
    folder = mnist.folder("mnist" if dataset == "auto" else dataset, tmp_path)
    folder.mkdir(parents=True)
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"not these"))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz is damaged.*expected") as e:
        datasets.load(dataset, tmp_path, download_absent=False)
    assert not isinstance(e.value, NoDataError)


def test_real_mnist(mnist_root):
    images = datasets.load("mnist", mnist_root, download_absent=False)
    assert [len(y) for _, y in (images.train, images.val, images.test)] == [55_000, 5_000, 10_000]
    assert images.test[1][:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert images.train[0].max() == 1
    # All 60,000 training images are in one of the two, whatever the seed.
    counts = torch.cat([images.train[1], images.val[1]]).bincount().tolist()
    assert counts == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def test_truncated_mnist(mnist_root, tmp_path):
    shutil.copytree(mnist_root / "MNIST", tmp_path / "MNIST")
    path = tmp_path / "MNIST/raw/t10k-images-idx3-ubyte.gz"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="t10k-images"):
        datasets.load("mnist", tmp_path)


def idx(magic=2049, count=10_000, labels=bytes(10_000)):
    return struct.pack(">2i", magic, count) + labels


@pytest.mark.parametrize(
    ("says", "content"),
    [
        ("unpacks to 9,000 bytes", gzip.compress(idx()[:9000])),
        ("unpacks to more bytes", gzip.compress(bytes(10_000_000))),  # a bomb
        ("starts with", gzip.compress(idx(magic=2051))),
        ("starts with", gzip.compress(idx(count=9_999))),
        ("a label 10,", gzip.compress(idx(labels=bytes(9_999) + b"\n"))),
        ("damaged", gzip.compress(idx())[:-9]),
        ("damaged", b"<html>"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # gzip notes the time
)
def test_content_is_judged_beside_its_md5(says, content):
    name = "t10k-labels-idx1-ubyte.gz"
    with pytest.raises(
        DataError, match=f"{name} is damaged.*{says}" if says != "damaged" else name
    ):
        mnist._tensor(name, content)
    assert mnist._tensor(name, gzip.compress(idx())).shape == (10_000,)


def test_a_bomb_is_not_unpacked():
    bomb = gzip.compress(bytes(64 << 20))
    tracemalloc.start()
    with pytest.raises(DataError, match="more bytes"):
        mnist._tensor("t10k-labels-idx1-ubyte.gz", bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
