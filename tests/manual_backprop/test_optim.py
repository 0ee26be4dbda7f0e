import copy
import math
from itertools import product

import pytest
import torch
from torch import Tensor

from manual_backprop.optim import SGD, Momentum

SETTINGS = [
    dict(
        zip(("momentum", "dampening", "weight_decay", "nesterov", "maximize"), values, strict=True)
    )
    for values in product((0, 0.9), (0, 0.3), (0, 0.01), (False, True), (False, True))
    if not (values[3] and (values[0] == 0 or values[1] != 0))
]


def parameters(dtype: torch.dtype = torch.float32) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((33, 17), (33,), (5, 33), ())
    return [
        torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype)) for shape in shapes
    ]


def walk(optimizer: torch.optim.Optimizer, steps: int, seed: int = 1) -> None:
    """Steps with the same random gradients for every optimizer; now and then one is missing."""
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        for group in optimizer.param_groups:
            for i, w in enumerate(group["params"]):
                g = torch.randn(w.shape, generator=generator, dtype=w.dtype)
                w.grad = None if (step + i) % 5 == 0 else g
        optimizer.step()


def same_bits(left: torch.optim.Optimizer, right: torch.optim.Optimizer) -> None:
    for ours, theirs in zip(left.param_groups, right.param_groups, strict=True):
        for a, b in zip(ours["params"], theirs["params"], strict=True):
            assert torch.equal(a, b)


def paths(optimizer: torch.optim.Optimizer, gradients: list[Tensor]) -> Tensor:
    """Where the only parameter is after each of the gradients."""
    (w,) = optimizer.param_groups[0]["params"]
    places = []
    for g in gradients:
        w.grad = g.clone()
        optimizer.step()
        places.append(w.detach().clone())
    return torch.stack(places)


def start(value: float = 0.0) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.full((4,), value, dtype=torch.float64))]


def gradients(steps: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(4, generator=generator, dtype=torch.float64) for _ in range(steps)]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_sgd_is_torch_sgd_bit_for_bit(settings):
    ours, theirs = (cls(parameters(), lr=0.05, **settings) for cls in (SGD, torch.optim.SGD))
    for optimizer in ours, theirs:
        walk(optimizer, 100)
    same_bits(ours, theirs)


def test_groups_have_their_own_settings():
    pairs = []
    for cls in SGD, torch.optim.SGD:
        w = parameters()
        groups = [{"params": w[:1]}, {"params": w[1:], "lr": 0.3, "momentum": 0}]
        optimizer = cls(groups, lr=0.01, momentum=0.9)
        optimizer.add_param_group({"params": parameters()[0], "weight_decay": 0.1})
        walk(optimizer, 30)
        pairs.append(optimizer)
    same_bits(*pairs)


def test_learning_rate_may_be_a_tensor_and_follow_a_schedule():
    pairs = []
    for cls in SGD, torch.optim.SGD:
        optimizer = cls(parameters(), lr=torch.tensor(0.1), momentum=0.9)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        for seed in range(5):
            walk(optimizer, 6, seed)
            schedule.step()
        pairs.append(optimizer)
    same_bits(*pairs)


@pytest.mark.parametrize(("first", "second"), [(SGD, torch.optim.SGD), (torch.optim.SGD, SGD)])
def test_state_dict_interchanges_with_torch(first, second):
    old = first(parameters(), lr=0.05, momentum=0.9, dampening=0.1)
    walk(old, 20)
    new = second(copy.deepcopy(old.param_groups[0]["params"]), lr=1.0)
    new.load_state_dict(copy.deepcopy(old.state_dict()))
    for optimizer in old, new:
        walk(optimizer, 20, seed=3)
    same_bits(old, new)
    assert old.state_dict().keys() == new.state_dict().keys()
    assert old.state_dict()["param_groups"] == new.state_dict()["param_groups"]


@pytest.mark.parametrize("cls", [SGD, Momentum])
def test_closure_is_run_with_gradients_and_its_loss_returned(cls):
    (w,) = start(3.0)
    optimizer = cls([w], lr=1.0, momentum=0)

    def closure():
        optimizer.zero_grad()
        loss = 0.5 * (w * w).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) == 18
    assert torch.equal(w, torch.zeros_like(w))
    assert optimizer.step() is None


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": -1.0},
        {"momentum": -0.1},
        {"weight_decay": -0.1},
        {"nesterov": True},
        {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
        {"lr": torch.ones(2)},
    ],
    ids=str,
)
def test_sgd_refuses_what_torch_refuses_in_its_words(settings):
    with pytest.raises(ValueError) as theirs:  # noqa: PT011 - its message is the expectation
        torch.optim.SGD(parameters(), **settings)
    with pytest.raises(ValueError, match=f"^{theirs.value}$"):
        SGD(parameters(), **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -1.0}, "Invalid learning rate: -1.0"),
        ({"lr": math.nan}, "Invalid learning rate: nan"),
        ({"momentum": -0.1}, "Invalid momentum value: -0.1"),
        ({"momentum": 1.0}, "Invalid momentum value: 1.0"),
        ({"weight_decay": -0.1}, "Invalid weight_decay value: -0.1"),
    ],
    ids=str,
)
def test_momentum_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        Momentum(parameters(), **settings)


def test_momentum_may_stand_still():
    (w,) = start(1.0)
    paths(Momentum([w], lr=0, momentum=0.5), gradients(2))
    assert w.tolist() == [1, 1, 1, 1]


# Two steps with g = 4 and then g = 8, from w = 0 with lr = 1 and a momentum of ½.
@pytest.mark.parametrize(
    ("optimizer", "places"),
    [
        (SGD(start(), lr=1, momentum=0.5), [-4, -4 - 10]),  # v = 4, 2 + 8
        (SGD(start(), lr=1, momentum=0.5, dampening=0.5), [-4, -4 - 6]),  # v = 4, 2 + 4
        (SGD(start(), lr=1, momentum=0.5, nesterov=True), [-6, -6 - 13]),  # g + v/2
        (Momentum(start(), lr=1, momentum=0.5), [-2, -2 - 5]),  # v = 2, 1 + 4
        (Momentum(start(), lr=1, momentum=0.5, maximize=True), [2, 2 + 5]),
        (SGD(start(), lr=1), [-4, -12]),
        (Momentum(start(), lr=1, momentum=0), [-4, -12]),
    ],
)
def test_two_steps_by_hand(optimizer, places):
    fours = torch.full((4,), 4.0, dtype=torch.float64)
    assert paths(optimizer, [fours, 2 * fours])[:, 0].tolist() == places


@pytest.mark.parametrize("β", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.1}, {"maximize": True}], ids=str)
def test_momentum_is_sgd_with_a_learning_rate_smaller_by_1_minus_beta(β, settings):
    notes = paths(Momentum(start(1.0), lr=0.3, momentum=β, **settings), gradients(60))
    torchs = paths(SGD(start(1.0), lr=(1 - β) * 0.3, momentum=β, **settings), gradients(60))
    torch.testing.assert_close(notes, torchs, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(notes[0], torchs[0], rtol=1e-15, atol=0)  # the first step included


def test_the_relation_survives_a_schedule_of_the_learning_rate():
    notes, torchs = Momentum(start(), lr=0.3, momentum=0.9), SGD(start(), lr=0.03, momentum=0.9)
    for g in gradients(30):
        for optimizer in notes, torchs:
            paths(optimizer, [g])
            optimizer.param_groups[0]["lr"] *= 0.9
    torch.testing.assert_close(notes.param_groups[0]["params"], torchs.param_groups[0]["params"])


def test_dampening_keeps_a_surplus_of_the_first_gradient():
    β = 0.9
    notes, torchs = Momentum(start(), 1, β), SGD(start(), 1, β, dampening=β)
    first, *_ = gs = gradients(40)
    for t, g in enumerate(gs, start=1):
        velocities = []
        for optimizer, name in (notes, "velocity"), (torchs, "momentum_buffer"):
            paths(optimizer, [g])
            (state,) = optimizer.state.values()
            velocities.append(state[name])
        torch.testing.assert_close(velocities[1], velocities[0] + β**t * first)


def test_without_momentum_all_are_plain_descent():
    gs = gradients(20)
    plain = torch.stack(gs).mul(-0.1).cumsum(0)
    for optimizer in SGD(start(), 0.1), SGD(start(), 0.1, dampening=0.5), Momentum(start(), 0.1, 0):
        torch.testing.assert_close(paths(optimizer, gs), plain)


class FirstStepDampened(SGD):
    """Planted: v₁ = (1 − τ)g₁."""

    def step(self, closure=None):
        for w in self.param_groups[0]["params"]:
            if w.grad is not None and "momentum_buffer" not in self.state[w]:
                self.state[w]["momentum_buffer"] = torch.zeros_like(w)
        return super().step(closure)


class DecayAfterMomentum(SGD):
    """Planted: the weights decay by themselves, not through the velocity."""

    def step(self, closure=None):
        λ, self.param_groups[0]["weight_decay"] = self.param_groups[0]["weight_decay"], 0
        with torch.no_grad():
            for w in self.param_groups[0]["params"]:
                if w.grad is not None:
                    w.mul_(1 - λ * self.param_groups[0]["lr"])
        super().step(closure)
        self.param_groups[0]["weight_decay"] = λ


@pytest.mark.parametrize("planted", [FirstStepDampened, DecayAfterMomentum])
def test_planted_bugs_are_seen(planted):
    settings = {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}
    ours, theirs = planted(parameters(), **settings), torch.optim.SGD(parameters(), **settings)
    for optimizer in ours, theirs:
        walk(optimizer, 10)
    with pytest.raises(AssertionError):
        same_bits(ours, theirs)
