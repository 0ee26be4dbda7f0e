"""What is fed into a backward: incoming gradients that different mistakes cannot all survive.

A vector of ones (``out.sum().backward()``) is the worst choice: the gradients of softmax and of
normalisation are then zero, and so is a wrong one. Each of these asks another question:

    random      is the formula right
    one-hot     is it right for one output alone, where no sum can hide an error
    expanded    one row for all samples, as ``mean(0)`` hands back: stride 0, no memory behind it
    transposed  in another order in memory: ``view`` fails or, worse, reorders
    channels    last in memory, as convolutions hand them back where that is faster; from three
                dimensions on
    sliced      rows cut out of longer ones, as ``cat`` hands them back: a kernel that steps from
                row to row by their length reads what is not its own
    tiny        random · 1e-20: an absolute tolerance, or an ε added somewhere, shows
    uniform     all ones, beside the others only

A single number, such as a loss, has no layout, and comes with three:

    one         what ``loss.backward()`` sends
    random      does the backward use what it is sent at all
    tiny        as above

Every maker takes the output (for its shape) and a generator, and returns float64 of that shape.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Generator, Tensor

from compare.trial.strides import copy_with_layout

Maker = Callable[[Tensor, Generator], Tensor]

# A power of two, so that scaling by it rounds nothing until numbers get subnormal. Half of the
# exponents that are left below 1 stay free for the factors that the layers multiply by.
_TINY = {torch.float16: 2.0**-7}
_TINY_ELSEWHERE = 2.0**-66  # 1.4e-20


def _normal(shape: torch.Size | tuple[int, ...], generator: Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def one(output: Tensor, generator: Generator) -> Tensor:
    """1 everywhere, or 1 for a single number."""
    return torch.ones(output.shape, dtype=torch.float64)


def random(output: Tensor, generator: Generator) -> Tensor:
    """Standard normal."""
    return _normal(output.shape, generator)


def one_hot(output: Tensor, generator: Generator) -> Tensor:
    """1 at one place, drawn at random."""
    flat = torch.zeros(output.numel(), dtype=torch.float64)
    if flat.numel():
        flat[int(torch.randint(flat.numel(), (), generator=generator))] = 1
    return flat.reshape(output.shape)


def expanded(output: Tensor, generator: Generator) -> Tensor:
    """One random row repeated over dim 0 with stride 0; for a vector, one number."""
    if output.dim() == 0:
        return _normal((), generator)
    return _normal((1, *output.shape[1:]), generator).expand(output.shape)


def transposed(output: Tensor, generator: Generator) -> Tensor:
    """Standard normal, last dimension outermost in memory; for a vector, every second number."""
    if output.dim() == 1:
        return _normal((2 * output.shape[0],), generator)[::2]
    order = tuple(reversed(range(output.dim())))
    return _normal(tuple(reversed(output.shape)), generator).permute(order)


def channels_last(output: Tensor, generator: Generator) -> Tensor:
    """Standard normal, the second dimension innermost in memory."""
    if output.dim() < 3:
        return transposed(output, generator)
    batch, channels, *places = output.shape
    return _normal((batch, *places, channels), generator).movedim(-1, 1)


def sliced(output: Tensor, generator: Generator) -> Tensor:
    """Standard normal, each row with other numbers before and behind it in memory."""
    if output.dim() == 0:
        return _normal((), generator)
    longer = _normal((*output.shape[:-1], output.shape[-1] + 3), generator)
    return longer[..., 1:-2]


def tiny(output: Tensor, generator: Generator) -> Tensor:
    """Standard normal times 2⁻⁶⁶ ≈ 1e-20, or 2⁻⁷ in float16, which has nothing below 2⁻²⁴."""
    return _normal(output.shape, generator) * _TINY.get(output.dtype, _TINY_ELSEWHERE)


TENSORS: Mapping[str, Maker] = {
    "random": random,
    "one-hot": one_hot,
    "expanded": expanded,
    "transposed": transposed,
    "sliced": sliced,
    "tiny": tiny,
    "uniform": one,
}
#: From three dimensions on.
IMAGES: Mapping[str, Maker] = {**TENSORS, "channels last": channels_last}
_STREAMS = {maker: i for i, maker in enumerate(IMAGES.values())}
ONE_NUMBER: Mapping[str, Maker] = {"one": one, "random": random, "tiny": tiny}


def makers(outputs: Sequence[Tensor]) -> Mapping[str, Maker]:
    """The incoming gradients to ask with: three for a single number, else seven or eight."""
    if all(output.dim() == 0 for output in outputs):
        return ONE_NUMBER
    return IMAGES if any(output.dim() > 2 for output in outputs) else TENSORS


def feed(maker: Maker, outputs: Sequence[Tensor], seed: int) -> list[Tensor]:
    """One cotangent for each output, in its dtype and on its device, laid out as it was made.

    Each maker has numbers of its own: a kernel that takes the one for the other must not be right.
    """
    generator = torch.Generator().manual_seed(seed + 2**32 * _STREAMS.get(maker, 0))
    made = [maker(output, generator) for output in outputs]
    return [copy_with_layout(c, o.dtype, o.device) for c, o in zip(made, outputs, strict=True)]
