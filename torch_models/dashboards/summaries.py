"""Norms, histograms, pictures, curves and graphs as TensorBoard's event files want them."""

import copy
import math
import warnings
from io import BytesIO

import torch
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard._pytorch_graph import graph as traced

from torch_models.dashboards.probe import ProbedLayer

BINS = 60


def norms(writer: SummaryWriter, layers: list[ProbedLayer], step: int) -> None:
    """Frobenius norms of δ and of the weights' gradients, layer by layer."""
    for layer in layers:
        writer.add_scalar(f"norm of delta/{layer.name}", layer.delta.norm(), step)
        writer.add_scalar(f"norm of gradient/{layer.name}", layer.gradient.norm(), step)


def histograms(writer: SummaryWriter, layers: list[ProbedLayer], step: int) -> None:
    """Weights, their gradients, δ and activations, layer by layer."""
    for layer in layers:
        for name, values in (
            ("weights", layer.weight),
            ("gradients", layer.gradient),
            ("delta", layer.delta),
            ("activations", layer.activation),
        ):
            histogram(writer, f"{name}/{layer.name}", values, step)


def histogram(writer: SummaryWriter, tag: str, values: Tensor, step: int) -> None:
    """Equal bins: ten times as fast as the writer's own, and TensorBoard shows 30 equal ones."""
    values = values.float().flatten()
    low, high = _ends(values)
    if not math.isfinite(low + high):
        values = values[values.isfinite()]
        if not len(values):
            return
        low, high = _ends(values)
    start, end = (low, high) if low < high else (low - 0.5, high + 0.5)
    counts = torch.histc(values, BINS, start, end)
    edges = torch.linspace(start, end, BINS + 1, dtype=torch.float64)
    writer.add_histogram_raw(
        tag,
        min=low,
        max=high,
        num=len(values),
        sum=values.sum().item(),
        sum_squares=values.square().sum().item(),
        # TensorBoard wants the upper end of each bin, so the lowest end gets an empty one.
        bucket_limits=edges.tolist(),
        bucket_counts=[0.0, *counts.tolist()],
        global_step=step,
    )


def _ends(values: Tensor) -> tuple[float, float]:
    low, high = values.aminmax()
    return low.item(), high.item()


def image(writer: SummaryWriter, tag: str, picture: Image.Image, step: int) -> None:
    """As it is: the writer's own way takes an array apart and compresses it three times as long."""
    png = BytesIO()
    picture.save(png, "PNG", compress_level=1)
    encoded = Summary.Image(
        height=picture.height,
        width=picture.width,
        colorspace=3,
        encoded_image_string=png.getvalue(),
    )
    summary = Summary(value=[Summary.Value(tag=tag, image=encoded)])
    writer._get_file_writer().add_summary(summary, step)


def text(writer: SummaryWriter, tag: str, words: str, step: int) -> None:
    """As it is: TensorBoard takes it for Markdown, where lines so far to the right are code."""
    writer.add_text(tag, "\n".join(f"    {line}" for line in words.split("\n")), step)


def precision_against_recall(
    writer: SummaryWriter, labels: Tensor, scores: Tensor, step: int
) -> None:
    """A curve for each class against the others.

    Args:
        labels: (n,).
        scores: probabilities (n, classes).
    """
    for label in range(scores.shape[1]):
        tag = f"precision against recall/class {label}"
        writer.add_pr_curve(tag, labels == label, scores[:, label], step)


def graph(writer: SummaryWriter, network: nn.Module, x: Tensor) -> None:
    """The forward pass, which the explicit way shares with autograd's, its layers in plain view."""
    # A copy is neither compiled nor on another device.
    network = copy.deepcopy(network).cpu().float().eval()
    with warnings.catch_warnings():
        # PyTorch's writer traces with what PyTorch deprecates.
        warnings.simplefilter("ignore")
        drawn, _ = traced(network, x.float().cpu() if x.is_floating_point() else x.cpu())
    around = f"{type(network).__name__}/"
    for node in drawn.node:
        # Otherwise all that is seen at first is one closed box.
        node.name = node.name.removeprefix(around)
        node.input[:] = [name.removeprefix(around) for name in node.input]
    # Without the times that the writer would add: they are empty.
    writer._get_file_writer().add_event(Event(graph_def=drawn.SerializeToString()))
