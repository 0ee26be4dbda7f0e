"""What a diagnosis is made from: runs of one layer, and the reference to be asked anything else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compare.diagnosis.graph import Graph
from compare.trial.key import Key

Vjp = Callable[[Sequence[Tensor], Sequence[Tensor], Mapping[str, Tensor]], dict[Key, Tensor]]


@dataclass(frozen=True)
class Evidence:
    """One run of a faulty layer by itself. All tensors are float64 except ``manual``.

    ``inputs`` are the floating-point tensors that the layer is given, in order, ``differentiated``
    the places of those that a gradient is taken to, ``parameters`` those of the layer by name
    within it, ``outputs`` what the reference gives out, ``incoming`` the gradient fed in at each
    output. ``manual`` and ``right`` are outputs and gradients by manual's keys; None where manual
    has none. ``vjp(inputs, incoming, parameters)`` asks the reference, in float64, for the
    gradients anywhere else: at other inputs, other incoming gradients, other parameters. It raises
    whatever the reference raises on shapes that do not fit. ``graph(written_out)`` is the graph
    that the reference makes in this run, its kernels written out or as they are; None where nobody
    knows it.
    """

    input: str
    cotangent: str
    inputs: Sequence[Tensor]
    differentiated: Sequence[int]
    parameters: Mapping[str, Tensor]
    outputs: Sequence[Tensor]
    incoming: Sequence[Tensor]
    manual: Mapping[Key, Tensor | None]
    right: Mapping[Key, Tensor]
    vjp: Vjp
    dtype: torch.dtype  # that manual computes in
    scales: Mapping[Key, float]  # of the terms that each gradient is a sum of; see judge
    unstrided: Sequence[Tensor] = ()  # what is read at each incoming gradient as if contiguous
    training: bool = True
    graph: Callable[[bool], Graph] | None = None
    label: str = ""  # the layer's class, for people: "Linear", "Softmax"
