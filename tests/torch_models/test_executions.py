"""Several optimiser steps in one ``training_step``: faster, and nothing else."""

import pytest
import torch

from tests.torch_models.short_trainings import outcome
from torch_models.batches import Executions, ShuffledBatches


@pytest.mark.parametrize(
    "options",
    [
        ["--manual"],
        ["--backprop", "autograd", "--momentum-form", "ema"],
        ["--backprop", "explicit"],
        ["--backprop", "explicit", "--momentum-form", "ema"],
        ["--backprop", "autograd", "--precision", "bf16-mixed"],
        ["--manual", "--precision", "64-true"],
    ],
    ids=" ".join,
)
def test_results_do_not_depend_on_it(tmp_path, options):
    one, curves_of_one = outcome(tmp_path / "1", *options, "--steps-per-execution", "1")
    for steps in ("4", "50"):
        many, curves = outcome(tmp_path / steps, *options, "--steps-per-execution", steps)
        assert many["global_step"] == one["global_step"] == 2 * 11
        assert curves == curves_of_one
        for name, weight in one["state_dict"].items():
            assert torch.equal(many["state_dict"][name], weight), name


def test_an_epoch_is_cut_into_executions():
    batches = ShuffledBatches(torch.arange(11.0).view(11, 1), torch.arange(11), 2)
    executions = Executions(batches, 4)
    taken = [[len(y) for _, y in execution] for execution in executions]
    assert taken == [[2, 2, 2, 2], [2, 1]]
    assert len(executions) == 2
