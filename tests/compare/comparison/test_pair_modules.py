"""Comparing modules: whose weights, which mode, what is left behind."""

import copy
import random
from collections import OrderedDict

import torch
from torch import nn

from compare import assert_gradients_match, compare_gradients
from tests.compare.planted import batch, pair


class TestModules:
    def test_weights_are_the_references(self):
        manual, reference, *_ = pair()
        for parameter in manual.parameters():
            nn.init.zeros_(parameter)
        before = copy.deepcopy(manual.state_dict())
        assert_gradients_match(manual, reference, batch()[0])
        assert all(torch.equal(before[name], p) for name, p in manual.state_dict().items())

    def test_nothing_is_left_behind(self):
        manual = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.ReLU())
        reference = copy.deepcopy(manual)
        reference[1].eval()
        manual[1].eval()
        manual[0].weight.grad = torch.ones(4, 4)
        states = [copy.deepcopy(model.state_dict()) for model in (manual, reference)]
        x = torch.randn(5, 4)
        untouched, version = x.clone(), x._version
        random_states = torch.get_rng_state(), random.getstate()
        assert_gradients_match(manual, reference, x)
        assert torch.equal(random_states[0], torch.get_rng_state())
        assert random_states[1] == random.getstate()
        assert torch.equal(x, untouched)
        assert x._version == version
        for model, state in zip((manual, reference), states, strict=True):
            assert all(torch.equal(state[name], t) for name, t in model.state_dict().items())
            assert [m.training for m in model] == [True, False, True, True]
            for module in model.modules():
                assert not module._forward_hooks
                assert not module._forward_pre_hooks
        assert torch.equal(manual[0].weight.grad, torch.ones(4, 4))
        assert reference[0].weight.grad is None

    def test_dropout_drops_the_same_on_both_sides(self):
        model = nn.Sequential(nn.Linear(4, 20), nn.Dropout(0.5), nn.Linear(20, 2))
        report = assert_gradients_match(copy.deepcopy(model), model, torch.randn(5, 4))
        assert all(row.exact for row in report.rows)

    def test_batch_norm_in_training_mode(self):
        model = nn.Sequential(nn.Linear(4, 20), nn.BatchNorm1d(20), nn.Linear(20, 2))
        assert_gradients_match(copy.deepcopy(model), model, torch.randn(5, 4))

    def test_layers_used_twice_shared_and_in_place(self):
        class Twice(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer, self.act = nn.Linear(4, 4), nn.ReLU(inplace=True)

            def forward(self, x):
                return self.layer(self.act(self.layer(x)))

        model = Twice()
        report = assert_gradients_match(copy.deepcopy(model), model, torch.randn(5, 4))
        assert [row.name for row in report.rows] == [
            "output",
            "layer.weight",
            "layer.bias",
            "act ReLU δ",
            "layer Linear δ",
            "input",
        ]

    def test_in_place_activation_does_not_move_the_delta_before_it(self):
        manual = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 2))
        reference = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
        assert_gradients_match(manual, reference, torch.randn(5, 4))

    def test_layer_that_only_one_side_has(self):
        class Fused(nn.Linear):
            def forward(self, x):
                return super().forward(x).relu()

        manual = nn.Sequential(Fused(4, 4), nn.Identity(), nn.Linear(4, 2))
        reference = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
        report = assert_gradients_match(manual, reference, torch.randn(3, 4))
        assert [row.name for row in report.rows] == [
            "output",
            "2.weight",
            "2.bias",
            "1 Identity δ",
            "0.weight",
            "0.bias",
            "input",
        ]

    def test_transformer_layer(self):
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        report = assert_gradients_match(copy.deepcopy(layer), layer, torch.randn(2, 5, 8))
        names = [row.name for row in report.rows]
        assert "self_attn.in_proj_weight" in names
        assert "linear1 Linear δ" in names

    def test_detached_layer_is_found(self):
        class Detached(nn.Linear):
            def forward(self, x):
                return super().forward(x.detach())

        _, reference, *_ = pair()
        manual = copy.deepcopy(reference)
        manual[2] = Detached(8, 8)
        report = compare_gradients(manual, reference, batch()[0])
        names = [row.name for row in report.failures]
        assert names[0] == "1 ReLU δ"
        assert report.failures[0].source == "2 Detached"
        assert {"0.weight", "0.bias", "0 Linear δ", "input"} <= set(names)


def test_pairs_that_were_guessed_are_told():
    manual = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    named = OrderedDict(a=nn.Linear(4, 3), b=nn.Linear(3, 2))
    reference = nn.Sequential(named)
    report = compare_gradients(manual, reference, torch.randn(5, 4))
    said = "paired by order and shape, manual = reference: 0.weight = a.weight, 0.bias = a.bias"
    assert any(remark.startswith(said) for remark in report.remarks)
