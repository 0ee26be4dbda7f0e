"""The ways to take a step that are set against each other."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

import manual_backprop
from compare.speed.in_turn import Candidate
from compare.speed.kept_bytes import saved_by_layer
from compare.speed.others import jax, numpy, scikit_learn
from compare.speed.setting import LR, MOMENTUM, Setting
from manual_backprop import Network
from manual_backprop.network.captured import Captured
from manual_backprop.network.fused_step import FusedStep
from torch_models.networks.build import BUILDERS
from torch_models.networks.loss_function import loss_function
from torch_models.networks.mlp import mlp

RECOMPUTING = "manual, recomputing"
#: Activations whose derivative follows from their output, which the next layer keeps anyway.
TOLD_BY_OUTPUT = ("relu", "sigmoid", "tanh", "identity")


def candidates(setting: Setting, *, compiled: bool) -> dict[str, Candidate]:
    """All that can run here, autograd first; for networks other than mlp those two alone."""
    is_mlp = setting.network == "mlp"
    found = {
        "autograd": by_functions(setting, nn),
        "manual": by_functions(setting, manual_backprop),
    }
    if is_mlp:
        found["explicit"] = explicit(setting)
    if compiled:
        found |= {
            "autograd, compiled": by_functions(setting, nn, compile=True),
            "manual, compiled": by_functions(setting, manual_backprop, compile=True),
        }
        if is_mlp:
            found["explicit, compiled"] = explicit_compiled(setting)
    if not is_mlp:
        return found
    if setting.on_gpu:
        found["explicit, CUDA graph"] = explicit_recorded(setting)
    if setting.activation not in TOLD_BY_OUTPUT:
        found[RECOMPUTING] = recomputing(setting)
    if setting.activation == "relu" and not setting.on_gpu:
        if find_spec("numpy"):
            found["NumPy"] = numpy(setting)
        if find_spec("jax"):
            found["JAX, jitted scan"] = jax(setting)
        if find_spec("sklearn"):
            found["scikit-learn"] = scikit_learn(setting)
    return found


def by_functions(setting: Setting, layers: Any, *, compile: bool = False) -> Candidate:
    """The network of these layers."""
    return _descending(setting, network_in(setting, layers), layers, compile=compile)


def network_in(setting: Setting, layers: Any) -> nn.Module:
    """The setting's network in this namespace, with the same weights each time."""
    torch.manual_seed(0)
    if setting.network == "mlp":
        return mlp(tuple(setting.sizes), setting.activation, "cross-entropy", layers)
    return BUILDERS[setting.network](layers)


def recomputing(setting: Setting) -> Candidate:
    """Hand-written layers that keep z and compute σ(z) again."""
    torch.manual_seed(0)
    return _descending(setting, recomputing_mlp(setting), manual_backprop)


def recomputing_mlp(setting: Setting) -> nn.Sequential:
    """The network whose activations are part of the Linear above; the same names of parameters."""
    first, *above = pairwise(setting.sizes)
    layers: dict[str, nn.Module] = {"0": manual_backprop.Linear(*first)}
    for i, (n_in, n_out) in enumerate(above, 1):
        σ = setting.activation
        layers[str(2 * i)] = manual_backprop.ActivatedLinear(n_in, n_out, activation=σ)
    return nn.Sequential(OrderedDict(layers))


def _descending(
    setting: Setting, network: nn.Module, layers: Any, *, compile: bool = False
) -> Candidate:
    """Steps of the network by PyTorch's fused SGD."""
    network.to(setting.device)
    loss = loss_function("cross-entropy", layers)
    descent = torch.optim.SGD(network.parameters(), lr=LR, momentum=MOMENTUM, fused=True)
    data = setting.data()

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        return loss(network(x), y)

    compute: Callable[..., Tensor] = torch.compile(loss_of) if compile else loss_of
    held: list[Tensor] = []

    def forward(i: int) -> None:
        held[:] = [compute(*data[i])]

    def backward(i: int) -> None:
        descent.zero_grad()
        held[0].backward()

    phases = {"forward": forward, "backward": backward, "update": lambda i: descent.step()}
    step = _in_a_row(phases)
    if compile:
        return Candidate(step, phases=phases)
    by_layer = saved_by_layer(network, loss, *data[0])
    return Candidate(step, sum(by_layer.values()), phases=phases, saved_by_layer=by_layer)


def _in_a_row(phases: Mapping[str, Callable[[int], object]]) -> Callable[[int], object]:
    parts = list(phases.values())

    def step(i: int) -> None:
        for part in parts:
            part(i)

    return step


def explicit(setting: Setting) -> Candidate:
    """``Network`` with its fused step."""
    fused = FusedStep(network_of(setting), setting.batch)
    data = setting.data_with_one_hot_targets()
    phases = {
        "forward": lambda i: fused.forward(data[i][0]),
        "backward": lambda i: fused.backward(data[i][1]),
        "update": lambda i: fused.update(data[i][0], LR, MOMENTUM, 1.0),
    }
    kept = [data[0][0], *fused.z, *fused.a]
    saved = sum(t.untyped_storage().nbytes() for t in kept)
    return Candidate(_in_a_row(phases), saved, phases=phases)


def explicit_recorded(setting: Setting) -> Candidate:
    """The same step, launched as one: what ``Network.fit`` and the training do on a GPU."""
    fused = FusedStep(network_of(setting), setting.batch)
    step = Captured(partial(fused, lr=LR, momentum=MOMENTUM, share=1.0), setting.device)
    data = setting.data_with_one_hot_targets()
    return Candidate(lambda i: step(*data[i]))


def network_of(setting: Setting) -> Network:
    """The explicit way's, with the same weights each time."""
    generator = torch.Generator().manual_seed(0)
    return Network(setting.sizes, setting.activation, device=setting.device, generator=generator)


def explicit_compiled(setting: Setting) -> Candidate:
    """``Network``'s step as its equations stand, which the compiler fuses as it sees fit."""
    descend = torch.compile(network_of(setting).descend)
    data = setting.data_with_one_hot_targets()
    return Candidate(lambda i: descend(*data[i], LR, MOMENTUM, 1.0))


def matrix_products(setting: Setting) -> Candidate:
    """The limit: the products that no way can do without, into memory that is there.

    On a GPU they are launched as one, always of the same batch.
    """
    m, sizes = setting.batch, setting.sizes
    data = [x for x, _ in setting.data()]
    here = data[0].new_empty
    weights = [here(n_out, n_in).uniform_() for n_in, n_out in pairwise(sizes)]
    a = [here(m, n).uniform_() for n in sizes[1:]]
    δ = [here(m, n).uniform_() for n in sizes[1:]]
    gradients = [torch.empty_like(W) for W in weights]

    def products(x: Tensor) -> tuple[Tensor, ...]:
        below = x
        for W, z in zip(weights, a, strict=True):
            torch.mm(below, W.T, out=z)
            below = z
        for layer in reversed(range(1, len(weights))):
            torch.mm(δ[layer], weights[layer], out=δ[layer - 1])
        for g, of, below in zip(gradients, δ, [x, *a[:-1]], strict=True):
            torch.mm(of.T, below, out=g)
        return ()

    if setting.on_gpu:
        recorded = Captured(lambda: products(data[0]), setting.device)
        return Candidate(lambda i: recorded())
    return Candidate(lambda i: products(data[i]))
