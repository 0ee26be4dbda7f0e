"""What a diagnosis is made from: runs of one layer, and the reference to be asked anything else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: What a layer's gradient is called: "output" (of the forward), "input" or "input 1" where it has
#: several, else the parameter's name within the layer.
OUTPUT = "output"

Vjp = Callable[[Sequence[Tensor], Sequence[Tensor], Mapping[str, Tensor]], dict[str, Tensor]]


@dataclass(frozen=True)
class Evidence:
    """One run of a faulty layer by itself. All tensors are float64 except ``manual``.

    ``inputs`` are the floating-point tensors that the layer is given, in order, ``differentiated``
    the places of those that a gradient is taken to, ``parameters`` those of the layer by name
    within it, ``outputs`` what the reference gives out, ``incoming`` the
    gradient fed in at each output. ``manual`` and ``right`` are the gradients by name ("input" or
    "input 0", "input 1", …; parameter names); None where manual has none.
    ``vjp(inputs, incoming, parameters)`` asks the reference, in float64, for the gradients
    anywhere else: at other inputs, other incoming gradients, other parameters. It raises whatever
    the reference raises on shapes that do not fit.
    """

    input: str
    cotangent: str
    inputs: Sequence[Tensor]
    differentiated: Sequence[int]
    parameters: Mapping[str, Tensor]
    outputs: Sequence[Tensor]
    incoming: Sequence[Tensor]
    manual: Mapping[str, Tensor | None]
    right: Mapping[str, Tensor]
    vjp: Vjp
    dtype: torch.dtype  # that manual computes in
    scales: Mapping[str, float]  # of the terms that each gradient is a sum of; see verdict.judge
    training: bool = True
    label: str = ""  # the layer's class, for people: "Linear", "Softmax"
