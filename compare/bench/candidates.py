"""The ways to take a step that are set against each other."""

from collections import OrderedDict
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

import manual_backprop
from compare.bench.measure import Candidate
from compare.bench.saved import saved_by_layer
from compare.bench.setting import LR, MOMENTUM, Setting
from manual_backprop import Network
from manual_backprop.fused_step import FusedStep
from torch_models.networks import loss_function, mlp

RECOMPUTING = "manual, recomputing"
#: Activations whose derivative follows from their output, which the next layer keeps anyway.
TOLD_BY_OUTPUT = ("relu", "sigmoid", "tanh", "identity")


def candidates(setting: Setting, *, compiled: bool) -> dict[str, Candidate]:
    """All that can run here, autograd first."""
    found = {
        "autograd": by_functions(setting, nn),
        "manual": by_functions(setting, manual_backprop),
        "explicit": explicit(setting),
    }
    if compiled:
        found |= {
            "autograd, compiled": by_functions(setting, nn, compile=True),
            "manual, compiled": by_functions(setting, manual_backprop, compile=True),
            "explicit, compiled": explicit_compiled(setting),
        }
    if setting.activation not in TOLD_BY_OUTPUT:
        found[RECOMPUTING] = recomputing(setting)
    if setting.activation == "relu":
        found["NumPy"] = numpy(setting)
        if find_spec("jax"):
            found["JAX, jitted scan"] = jax(setting)
        if find_spec("sklearn"):
            found["scikit-learn"] = scikit_learn(setting)
    return found


def by_functions(setting: Setting, layers: Any, *, compile: bool = False) -> Candidate:
    """An ``nn.Sequential`` of these layers."""
    torch.manual_seed(0)
    network = mlp(tuple(setting.sizes), setting.activation, "cross-entropy", layers)
    return _descending(setting, network, layers, compile=compile)


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
    setting: Setting, network: nn.Sequential, layers: Any, *, compile: bool = False
) -> Candidate:
    """Steps of the network by PyTorch's fused SGD."""
    loss = loss_function("cross-entropy", layers, setting.sizes[-1])
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

    phases = {"forward": forward, "backward": backward, "update": lambda i: descent.step() and None}
    step = _in_a_row(phases)
    if compile:
        return Candidate(step, phases=phases)
    by_layer = saved_by_layer(network, loss, *data[0])
    return Candidate(step, sum(by_layer.values()), phases=phases, saved_by_layer=by_layer)


def _in_a_row(phases: dict[str, Callable[[int], None]]) -> Callable[[int], None]:
    parts = list(phases.values())

    def step(i: int) -> None:
        for part in parts:
            part(i)

    return step


def explicit(setting: Setting) -> Candidate:
    """``Network`` with its fused step."""
    network = Network(setting.sizes, setting.activation, generator=torch.Generator().manual_seed(0))
    fused = FusedStep(network, setting.batch)
    data = _with_one_hot_targets(setting)
    phases = {
        "forward": lambda i: fused.forward(data[i][0]),
        "backward": lambda i: fused.backward(data[i][1]),
        "update": lambda i: fused.update(data[i][0], LR, MOMENTUM, 1.0),
    }
    buffers = [*fused.z, *fused.a, *fused.delta]
    saved = sum(t.untyped_storage().nbytes() for t in buffers)
    return Candidate(_in_a_row(phases), saved, phases=phases)


def explicit_compiled(setting: Setting) -> Candidate:
    """``Network``'s step as its equations stand, which the compiler fuses as it sees fit."""
    network = Network(setting.sizes, setting.activation, generator=torch.Generator().manual_seed(0))
    descend = torch.compile(network._descend)
    data = _with_one_hot_targets(setting)
    return Candidate(lambda i: descend(*data[i], LR, MOMENTUM, 1.0))


def _with_one_hot_targets(setting: Setting) -> list[tuple[Tensor, Tensor]]:
    return [(x, one_hot(y, setting.sizes[-1]).to(x.dtype)) for x, y in setting.data()]


def matrix_products(setting: Setting) -> Candidate:
    """The limit: the products that no way can do without, into memory that is there."""
    m, sizes = setting.batch, setting.sizes
    data = [x for x, _ in setting.data()]
    weights = [torch.rand(n_out, n_in) for n_in, n_out in pairwise(sizes)]
    a = [torch.rand(m, n) for n in sizes[1:]]
    δ = [torch.rand(m, n) for n in sizes[1:]]
    gradients = [torch.empty_like(W) for W in weights]

    def step(i: int) -> None:
        below = data[i]
        for W, z in zip(weights, a, strict=True):
            torch.mm(below, W.T, out=z)
            below = z
        for layer in reversed(range(1, len(weights))):
            torch.mm(δ[layer], weights[layer], out=δ[layer - 1])
        for g, of, below in zip(gradients, δ, [data[i], *a[:-1]], strict=True):
            torch.mm(of.T, below, out=g)

    return Candidate(step)


def numpy(setting: Setting) -> Candidate:
    """The same recursion on arrays."""
    import numpy as np

    generator = np.random.default_rng(0)
    weights = [
        generator.standard_normal((n_out, n_in), dtype=np.float32) / n_in**0.5
        for n_in, n_out in pairwise(setting.sizes)
    ]
    biases = [np.zeros(len(W), np.float32) for W in weights]
    parameters = weights + biases
    velocities = [np.zeros_like(w) for w in parameters]
    data = [(x.numpy(), one_hot(y, setting.sizes[-1]).float().numpy()) for x, y in setting.data()]
    lr, momentum = np.float32(LR), np.float32(MOMENTUM)

    def step(i: int) -> None:
        x, y = data[i]
        a = [x]
        for W, b in zip(weights[:-1], biases[:-1], strict=True):
            a.append(np.maximum(a[-1] @ W.T + b, 0))
        z = a[-1] @ weights[-1].T + biases[-1]
        e = np.exp(z - z.max(1, keepdims=True))
        δ = [(e / e.sum(1, keepdims=True) - y) / np.float32(len(x))]
        for W, below in zip(weights[:0:-1], a[:0:-1], strict=True):
            δ.insert(0, (δ[0] @ W) * (below > 0))
        gradients = [d.T @ below for d, below in zip(δ, a, strict=True)] + [d.sum(0) for d in δ]
        for w, v, g in zip(parameters, velocities, gradients, strict=True):
            v *= momentum
            v += g
            w -= lr * v

    return Candidate(step, by_torch=False)


def jax(setting: Setting) -> Candidate:
    """All batches in one jitted scan; a step is its share of it."""
    import jax as j
    import jax.numpy as jnp

    keys = j.random.split(j.random.key(0), len(setting.sizes))
    parameters = [
        (j.random.normal(key, (n_in, n_out)) / n_in**0.5, jnp.zeros(n_out))
        for key, (n_in, n_out) in zip(keys, pairwise(setting.sizes), strict=False)
    ]
    x = jnp.stack([jnp.asarray(x.numpy()) for x, _ in setting.data()])
    y = jnp.stack([jnp.asarray(y.numpy()) for _, y in setting.data()])

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        for W, b in parameters[:-1]:
            x = j.nn.relu(x @ W + b)
        logits = x @ parameters[-1][0] + parameters[-1][1]
        chosen = jnp.take_along_axis(j.nn.log_softmax(logits), y[:, None], 1)
        return -chosen.mean()

    def one(state: Any, batch: Any) -> Any:
        parameters, velocities = state
        gradients = j.grad(loss)(parameters, *batch)
        velocities = j.tree.map(lambda v, g: MOMENTUM * v + g, velocities, gradients)
        parameters = j.tree.map(lambda w, v: w - LR * v, parameters, velocities)
        return (parameters, velocities), None

    scan = j.jit(lambda state: j.lax.scan(one, state, (x, y))[0], donate_argnums=0)
    state = [(parameters, j.tree.map(jnp.zeros_like, parameters))]

    def step(i: int) -> None:
        if i == 0:  # the first batch takes all of them along
            state[0] = j.block_until_ready(scan(state[0]))

    return Candidate(step, by_torch=False)


def scikit_learn(setting: Setting) -> Candidate:
    """``MLPClassifier.partial_fit``, which takes one step."""
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(
        setting.sizes[1:-1],
        solver="sgd",
        learning_rate_init=LR,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        alpha=0.0,
        batch_size=setting.batch,
        random_state=0,
    )
    data = [(x.numpy(), y.numpy()) for x, y in setting.data()]
    classes = np.arange(setting.sizes[-1])
    return Candidate(
        lambda i: network.partial_fit(*data[i], classes=classes) and None, by_torch=False
    )
