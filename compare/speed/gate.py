"""Before anything is timed: are the gradients right."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

import manual_backprop
from compare.comparison.explicit_gradients import compare_explicit
from compare.comparison.pair import compare_gradients
from compare.speed.candidates import (
    RECOMPUTING,
    TOLD_BY_OUTPUT,
    network_in,
    network_of,
    recomputing_mlp,
)
from compare.speed.setting import LR, MOMENTUM, Setting
from compare.verdict.judge import judge
from manual_backprop.network.captured import Captured, Step
from manual_backprop.network.fused_step import FusedStep
from torch_models.networks.loss_function import loss_function

#: Samples that are judged, of mlp and of the larger networks: each is run some hundred times.
_OF_MLP, _OF_OTHERS = 128, 4


def wrong_gradients(setting: Setting) -> list[str]:
    """A line for each way whose gradients are wrong on the first samples of the setting's data."""
    is_mlp = setting.network == "mlp"
    x, labels = (t[: _OF_MLP if is_mlp else _OF_OTHERS] for t in setting.data()[0])
    reference = network_in(setting, nn).to(setting.device)
    losses = loss_function("cross-entropy", manual_backprop), loss_function("cross-entropy", nn)
    networks = {"manual": network_in(setting, manual_backprop)}
    if is_mlp and setting.activation not in TOLD_BY_OUTPUT:
        networks[RECOMPUTING] = recomputing_mlp(setting)
    reports = {
        name: compare_gradients(
            network.to(setting.device), reference, x, loss=losses, targets=labels, layers=False
        )
        for name, network in networks.items()
    }
    if isinstance(reference, nn.Sequential) and is_mlp:
        reports["explicit"] = compare_explicit(
            reference, setting.activation, "cross-entropy", x, labels
        )
    wrong = [f"{name}: {report.summary()}" for name, report in reports.items() if not report.passed]
    return wrong + wrong_when_recorded(setting) if setting.on_gpu and is_mlp else wrong


def wrong_when_recorded(setting: Setting) -> list[str]:
    """A line for each velocity that recorded steps leave other than the steps themselves do."""

    def velocities(step_of: Callable[[Step], Step], dtype: torch.dtype) -> list[Tensor]:
        network = network_of(setting).to(dtype=dtype)
        fused = FusedStep(network, setting.batch)
        step = step_of(partial(fused, lr=LR, momentum=MOMENTUM, share=1.0))
        for x, y in setting.data_with_one_hot_targets()[:3]:  # runs, is recorded, is replayed
            step(x.to(dtype), y.to(dtype))
        return network.velocities

    recorded = velocities(lambda step: Captured(step, setting.device), torch.float32)
    plain = velocities(lambda step: step, torch.float32)
    truth = velocities(lambda step: step, torch.float64)
    rows = [
        judge(f"velocity {i}", "parameter", *of)
        for i, of in enumerate(zip(recorded, plain, truth, strict=True))
    ]
    return [f"explicit, CUDA graph: {row.name}: {row.verdict}" for row in rows if not row.passed]
