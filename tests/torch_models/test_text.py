import os

import pytest

from torch_models import datasets, text
from torch_models.mnist import DataError


def test_sequences_and_what_follows(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"defghij")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "a.md").write_bytes(b"abc")
    (tmp_path / "c.bin").write_bytes(b"none of this")
    sequences, following, digest = text.load(tmp_path, 3)
    assert [bytes(row.tolist()) for row in sequences] == [b"abc", b"def", b"ghi"]
    assert [bytes(row.tolist()) for row in following] == [b"bcd", b"efg", b"hij"]
    (tmp_path / "b.txt").write_bytes(b"Defghij")
    assert text.load(tmp_path, 3).digest != digest


def test_the_library_without_what_is_installed():
    sequences, _, _ = text.load(None, 100)
    assert len(sequences) > 10_000


def test_too_little_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"short")
    with pytest.raises(DataError, match="has 5 bytes of text, expected at least 129"):
        datasets.load("text", text_dir=tmp_path)
    (tmp_path / "a.txt").write_bytes(bytes(2 * 128 + 1))
    with pytest.raises(DataError, match="more than the 1 available"):
        datasets.load("text", text_dir=tmp_path)
    with pytest.raises(DataError, match="has 0 bytes"):
        datasets.load("text", text_dir=tmp_path / "nothing")


def test_the_last_tenth_is_for_test_whatever_the_seed(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"".join(bytes([i]) * 128 for i in range(100)) + b"x")
    splits = [datasets.load("text", seed=seed, text_dir=tmp_path) for seed in (0, 1)]
    for split in splits:
        assert split.test[0][:, 0].tolist() == list(range(90, 100))
        parts = [split.train[0][:, 0].tolist(), split.val[0][:, 0].tolist()]
        assert [len(part) for part in parts] == [81, 9]
        assert sorted([*parts[0], *parts[1]]) == list(range(90))
    assert splits[0].val[0].tolist() != splits[1].val[0].tolist()


def test_more_text_than_memory_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "a.txt").touch()
    os.truncate(tmp_path / "a.txt", 10 * 2**30)
    with pytest.raises(DataError, match="10,737,418,240 bytes of text, expected 268,435,456 at"):
        text.load(tmp_path, 128)
