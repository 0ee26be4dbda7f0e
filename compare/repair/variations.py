"""What a change must be right on besides what it was found on.

other numbers      inputs in another order and slightly other values, parameters and buffers moved:
                   where a weight is 1 and a bias 0, a factor that is missing does not show
other sizes        see ``sizes``
other settings     the layer's numbers, such as ``dim`` and ``p``

Each is taken only if the reference takes it and manual's forward computes the same there.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from compare.repair.probes import Arrangement, accepted, moved, reference_run, same


def other_numbers(at: Arrangement, seed: int) -> Arrangement:
    """Inputs and parameters of the same sizes."""
    generator = torch.Generator().manual_seed(seed)
    made = at.copy(f"other numbers {seed}")
    made.given = made.given.map(lambda x: _redrawn(x, generator))
    moved(made, generator)
    return made


def other_settings(at: Arrangement) -> Iterator[Arrangement]:
    """Each number among the module's attributes or the arguments changed, one at a time."""
    try:
        usual = reference_run(at, None)[0]
    except Exception:
        return
    for name, old, put in _numbers(at):
        for new in _other(old):
            made = at.copy(f"{name} = {new}")
            put(made, new)
            found = accepted(made)
            if found is not None and not same(found, usual):
                yield made
                break


def _redrawn(x: Tensor, generator: Generator) -> Tensor:
    x = x.detach()
    shuffled = x.flatten()[torch.randperm(x.numel(), generator=generator)].reshape(x.shape)
    if not x.is_floating_point():
        return shuffled
    return shuffled * (1 - 0.1 * torch.rand(x.shape, generator=generator, dtype=torch.float64))


def _numbers(
    at: Arrangement,
) -> Iterator[tuple[str, int | float, Callable[[Arrangement, Any], None]]]:
    """The numbers that both sides have, each with what puts another one there."""
    for i, value in enumerate(at.given.args):
        if type(value) in (int, float):

            def put_argument(made: Arrangement, new: Any, i: int = i) -> None:
                args = list(made.given.args)
                args[i] = new
                made.given = replace(made.given, args=args)

            yield f"argument {i}", value, put_argument
    if not isinstance(at.manual, nn.Module) or not isinstance(at.reference, nn.Module):
        return
    theirs = dict(at.reference.named_modules())
    for path, module in at.manual.named_modules():
        twin = theirs.get(at.pairing.modules.get(path, path))
        for name, value in module.__dict__.items():
            if (
                type(value) in (int, float)
                and twin is not None
                and twin.__dict__.get(name) == value
            ):

                def put(made: Arrangement, new: Any, path: str = path, name: str = name) -> None:
                    names = path, made.pairing.modules.get(path, path)
                    for model, whose in zip((made.manual, made.reference), names, strict=True):
                        setattr(model.get_submodule(whose), name, new)

                yield name, value, put


def _other(value: int | float) -> list[Any]:
    if isinstance(value, int):
        return [v for v in (value + 1, value - 1, 0, -1, 2) if v != value]
    return [value * 1.5 + 0.05, value * 0.7]
