"""Before anything is timed: are the gradients right."""

import torch
from torch import nn

import manual_backprop
from compare.bench.candidates import RECOMPUTING, TOLD_BY_OUTPUT, recomputing_mlp
from compare.bench.setting import Setting
from compare.explicit import compare_explicit
from compare.pair import compare_gradients
from torch_models.networks import loss_function, mlp


def wrong_gradients(setting: Setting) -> list[str]:
    """A line for each way whose gradients are wrong on the setting's first batch."""
    sizes = tuple(setting.sizes)
    x, labels = setting.data()[0]
    torch.manual_seed(0)
    reference = mlp(sizes, setting.activation, "cross-entropy", nn)
    losses = (
        loss_function("cross-entropy", manual_backprop, sizes[-1]),
        loss_function("cross-entropy", nn, sizes[-1]),
    )
    networks = {"manual": mlp(sizes, setting.activation, "cross-entropy", manual_backprop)}
    if setting.activation not in TOLD_BY_OUTPUT:
        networks[RECOMPUTING] = recomputing_mlp(setting)
    reports = {
        name: compare_gradients(network, reference, x, loss=losses, targets=labels, layers=False)
        for name, network in networks.items()
    }
    reports["explicit"] = compare_explicit(
        reference, setting.activation, "cross-entropy", x, labels
    )
    return [f"{name}: {report.summary()}" for name, report in reports.items() if not report.passed]
