"""The same steps by those who have nothing to do with PyTorch; of ReLU and cross entropy."""

from itertools import pairwise
from typing import Any

from compare.speed.in_turn import Candidate
from compare.speed.setting import LR, MOMENTUM, Setting


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
    data = [(x.numpy(), y.numpy()) for x, y in setting.data_with_one_hot_targets()]
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

    return Candidate(step, by_torch=False, scans=True)


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
    return Candidate(lambda i: network.partial_fit(*data[i], classes=classes), by_torch=False)
