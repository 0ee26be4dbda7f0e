import json

import pytest
import torch
from torch import nn

from compare import speed
from compare.speed.kept_bytes import saved_by_layer
from compare.speed.setting import Setting
from tests.exhaustive import some
from torch_models.networks.build import BUILDERS


@pytest.mark.parametrize("network", some(["lenet"], BUILDERS))
def test_measured(network, tmp_path, capsys):
    path = tmp_path / "out.json"
    few = ["--batch-size", "2", "--rounds", "2", "--eager", "--json", str(path)]
    assert speed.main(["--network", network, *few]) == 0
    found = json.loads(path.read_text())
    assert list(found["candidates"]) == ["autograd", "manual"]
    assert found["limit_us"] is None
    for of in found["candidates"].values():
        assert of["median_us"] > 0
        assert sum(of["saved_bytes_by_layer"].values()) == of["saved_bytes"] > 0
    out = capsys.readouterr().out
    assert f"{network}, cross-entropy, batch of 2" in out
    assert "limit" not in out


def test_data_of_each_shape():
    x, y = Setting((), 3, network="gpt").data()[0]
    assert (x.shape, x.dtype, y.shape) == ((3, 128), torch.int64, (3, 128))
    x, y = Setting((), 3, network="lenet").data()[0]
    assert (x.shape, x.dtype, y.shape) == ((3, 1, 28, 28), torch.float32, (3,))


class Doubled(nn.Module):
    """Keeps its input by itself, beside what its Linear keeps."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4, bias=False)

    def forward(self, x):
        x = self.linear(x)
        return x * x


def test_what_a_module_keeps_beside_those_inside_it():
    x, y = torch.rand(5, 4), torch.zeros(5, 4)
    kept = saved_by_layer(nn.Sequential(Doubled(), nn.Identity()), nn.MSELoss(), x, y)
    of_square = kept.pop("0 Doubled")
    assert of_square == 5 * 4 * 4
    assert kept == {"0.linear Linear": 5 * 4 * 4, "1 Identity": 0, "loss": 2 * 5 * 4 * 4}
