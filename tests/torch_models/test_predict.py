"""Pictures of any kind, as MNIST has them; and what a run says of them."""

import re

import pytest
import torch
from PIL import Image, ImageDraw

from tests.torch_models.short_trainings import train_digits
from torch_models import datasets, predict
from torch_models.drawn_digit import PictureError, as_in_mnist, read


def drawn(size, ground="white", ink="black", at=(0.2, 0.3), mode="RGB"):
    """An L, drawn with a thick pen, its corner at the lower left."""
    picture = Image.new(mode, (size, size), ground)
    pen, (left, top) = ImageDraw.Draw(picture), at
    points = [(left, top), (left, top + 0.4), (left + 0.3, top + 0.4)]
    pen.line([(size * x, size * y) for x, y in points], fill=ink, width=size // 16)
    return picture


def saved(picture, tmp_path, name="picture.png"):
    picture.save(tmp_path / name)
    return tmp_path / name


class TestAsInMnist:
    def test_twenty_pixels_in_the_middle(self, tmp_path):
        x = read(saved(drawn(400), tmp_path))
        rows, columns = (x.sum(i).nonzero().flatten() for i in (1, 0))
        assert x.shape == (28, 28)
        assert max(int(n[-1] - n[0] + 1) for n in (rows, columns)) == 20
        for i in (0, 1):
            mass = x.sum(1 - i)
            assert abs(float((mass * torch.arange(28)).sum() / mass.sum()) - 13.5) <= 0.5
        assert float(x.max()) == 1

    @pytest.mark.parametrize(
        "picture",
        [
            drawn(400, "black", "white"),
            drawn(400, at=(0.5, 0.1)),
            drawn(400, "#303030", "#d0d0d0"),
            drawn(400, (0, 0, 0, 0), "black", mode="RGBA"),
            drawn(400, (0, 0, 0, 0), "white", mode="RGBA"),
            drawn(800),
        ],
        ids=["light on dark", "elsewhere", "grey", "transparent", "transparent, white", "larger"],
    )
    def test_the_same_however_it_is_drawn(self, picture, tmp_path):
        usual = read(saved(drawn(400), tmp_path))
        other = read(saved(picture, tmp_path, "other.png"))
        assert float((other - usual).abs().max()) < 0.15

    def test_the_size_of_mnist_is_taken_as_it_is(self):
        x = torch.zeros(28, 28)
        x[3:9, 4:8] = 1
        assert torch.equal(as_in_mnist(x), x)
        assert torch.equal(as_in_mnist(1 - x), x)

    def test_a_dot_and_a_line(self, tmp_path):
        for shape in ((30, 3), (3, 30), (1, 1)):
            x = torch.zeros(50, 50)
            x[10 : 10 + shape[0], 20 : 20 + shape[1]] = 1
            assert as_in_mnist(x).shape == (28, 28)

    def test_a_large_one_without_a_warning(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 399 * 400)
        assert read(saved(drawn(400), tmp_path)).max() == 1

    def test_nothing_on_it(self, tmp_path):
        with pytest.raises(PictureError, match=r"picture\.png: the picture is blank"):
            read(saved(Image.new("L", (50, 50), 255), tmp_path))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    options = ("--manual", "--hidden", 32, "--epochs", 4, "--dashboards", "off")
    assert train_digits(folder, *options) == 0
    return folder / "manual" / "version_0"


class TestCommand:
    def test_digits_of_the_test_data(self, run, tmp_path, capsys, monkeypatch):
        monkeypatch.chdir(tmp_path)
        x, labels = datasets.load("digits").test
        paths = []
        for i in range(12):
            pixels = (255 * (1 - x[i].view(28, 28))).byte()
            picture = Image.frombytes("L", (28, 28), bytes(pixels.flatten().tolist()))
            paths.append(saved(picture, tmp_path, f"{i}.png").name)
        assert predict.main([str(run), *paths]) == 0
        out = capsys.readouterr().out
        assert re.search(rf"{run.name}, \d thread", out.replace("\n", ""))
        rows = [line.split("│") for line in out.splitlines() if "png" in line]
        assert len(rows) == 12
        said = [int(row[2]) for row in rows]
        assert sum(a == int(b) for a, b in zip(said, labels[:12], strict=True)) >= 10
        assert all(row[3].strip().endswith("%") for row in rows)

    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            ("absent.png", None, "absent.png cannot be read: No such file"),
            ("text.png", b"no picture", "text.png cannot be read as a picture"),
        ],
    )
    def test_no_picture(self, run, tmp_path, capsys, name, content, says):
        if content:
            (tmp_path / name).write_bytes(content)
        assert predict.main([str(run), str(tmp_path / name)]) == 2
        assert says in capsys.readouterr().err

    def test_no_run(self, tmp_path, capsys):
        assert predict.main([str(tmp_path), "x.png"]) == 2
        assert "has no checkpoint" in capsys.readouterr().err
