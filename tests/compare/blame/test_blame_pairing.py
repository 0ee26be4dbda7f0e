"""Which layer of one side is held against which of the other."""

import pytest
import torch
from torch import nn

from compare import compare_gradients
from compare.blame import each_layer
from compare.blame.judged_piece import Judged, judge_piece
from tests.compare.by_hand import (
    FusedLinear,
    WrongFusedLinear,
    accused,
    module,
    plain,
    straight_through,
)


class TestLayersThatOnlyOneSideHas:
    @pytest.mark.parametrize(
        ("second", "expected"),
        [(FusedLinear, {}), (WrongFusedLinear, {"1": ["weight", "bias", "input"]})],
    )
    def test_fused_in_manual(self, second, expected):
        manual = nn.Sequential(FusedLinear(5, 7), second(7, 6), nn.Linear(6, 3))
        report = compare_gradients(manual, plain(5, 7, 6, 3), torch.randn(9, 5))
        assert report.passed is not bool(expected)
        assert accused(report) == expected
        assert [layer.twin for layer in report.layers] == ["0, 1", "2, 3", "4"]

    @pytest.mark.parametrize(("second", "expected"), [(nn.ReLU, {}), (None, {"1": ["input"]})])
    def test_fused_in_the_reference(self, second, expected):
        manual = plain(5, 7, 6, 3)
        if second is None:
            manual[1] = module(straight_through)()
        reference = nn.Sequential(
            FusedLinear(5, 7), nn.Identity(), FusedLinear(7, 6), nn.Identity(), nn.Linear(6, 3)
        )
        report = compare_gradients(manual, reference, torch.randn(9, 5))
        assert accused(report) == expected
        assert report.passed is not bool(expected)

    def test_fused_with_a_function_that_the_reference_calls_between_its_layers(self):
        class Reference(nn.Module):
            def __init__(self):
                super().__init__()
                self.first, self.second = nn.Linear(5, 7), nn.Linear(7, 3)

            def forward(self, x):
                return self.second(self.first(x).relu())

        for fused, expected in ((FusedLinear, []), (WrongFusedLinear, ["0"])):
            manual = nn.Sequential(fused(5, 7), nn.Linear(7, 3))
            report = compare_gradients(manual, Reference(), torch.randn(9, 5))
            assert list(accused(report)) == expected


class TestPairing:
    def test_by_order(self):
        class Named(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc1, self.act, self.fc2 = nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)

            def forward(self, x):
                return self.fc2(self.act(self.fc1(x)))

        report = compare_gradients(Named(), plain(5, 7, 3), torch.randn(4, 5))
        assert report.passed
        assert {layer.name: layer.twin for layer in report.layers} == {
            "fc1": "0",
            "act": "1",
            "fc2": "2",
        }
        manual = Named()
        manual.act = module(straight_through)()
        assert accused(compare_gradients(manual, plain(5, 7, 3), torch.randn(4, 5))) == {
            "act": ["input"]
        }

    def test_by_a_mapping(self):
        class Swapped(nn.Module):
            def __init__(self):
                super().__init__()
                self.second, self.first = nn.Linear(5, 5), nn.Linear(5, 5)

            def forward(self, x):
                return self.second(self.first(x).relu())

        mapping = {"first": "0", "second": "2"}
        assert compare_gradients(
            Swapped(), plain(5, 5, 5), torch.randn(4, 5), mapping=mapping
        ).passed
        assert not compare_gradients(Swapped(), plain(5, 5, 5), torch.randn(4, 5)).passed

    def test_mapping_to_nothing(self):
        with pytest.raises(ValueError, match="mapping names 7, and the reference has no submodule"):
            compare_gradients(plain(5, 5), plain(5, 5), torch.randn(4, 5), mapping={"0": "7"})


def test_by_elimination_where_the_reference_has_two_layers_in_one(monkeypatch):
    """What cannot be run by itself is told by what came to it and what it handed on."""

    def unless_joined(piece, *args):
        if "," in piece.label:
            return Judged(remark="could not be run on its own")
        return judge_piece(piece, *args)

    monkeypatch.setattr(each_layer, "judge_piece", unless_joined)
    manual = plain(5, 7, 6, 3)
    manual[1] = module(straight_through)()
    reference = nn.Sequential(FusedLinear(5, 7), nn.Identity(), nn.Linear(7, 6), nn.ReLU())
    reference.append(nn.Linear(6, 3))
    report = compare_gradients(manual, reference, torch.randn(9, 5))
    [layer] = report.originators
    assert layer.names == ("0", "1")
    assert {fault.gradient for fault in layer.faults} >= {"weight", "bias"}
    assert "receives the correct gradient" in layer.faults[0].diagnosis.sentence
