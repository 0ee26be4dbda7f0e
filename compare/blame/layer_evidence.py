"""A run of a faulty layer as ``diagnose`` wants it: in float64, and the reference to be asked."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from compare.diagnosis.evidence import Evidence
from compare.diagnosis.graph import Graph
from compare.diagnosis.written_out import WrittenOut
from compare.trial.case import Case
from compare.trial.given import Given, map_tensors, tensors_in
from compare.trial.key import Key, Kind
from compare.trial.randomness import undisturbed
from compare.trial.sides import Sides
from compare.trial.strides import read_as_contiguous
from compare.trial.trial import Trial, pairs
from compare.trial.watch import Item
from compare.verdict.judge import Row

#: By the input (its id) and whether kernels are written out: one for all incoming gradients.
Graphs = dict[tuple[int, bool], Graph]


def evidence(
    trial: Trial, rows: Sequence[Row], sides: Sides, label: str, graphs: Graphs
) -> Evidence:
    """Everything about one trial and what was found in it; names are manual's.

    Args:
        trial: Which.
        rows: What was found in it.
        sides: Who is asked.
        label: The layer's, for people.
        graphs: Recorded so far on the inputs of this layer.
    """
    reference, pairing = sides.reference, sides.pairing
    named = {twin: name for name, twin in pairing.tensors.items()}

    def by_key(items: Iterable[Item]) -> dict[Key, Tensor]:
        return {
            item.key._replace(name=named.get(item.key.name, item.key.name)): item.tensor
            for item in items
            if item.tensor is not None
        }

    given = trial.given.map(lambda x: x.double() if x.is_floating_point() else x)
    model, _ = reference.copies(torch.float64, awake=trial.given.awake)
    parameters = dict(model.named_parameters()) if isinstance(model, nn.Module) else {}

    def vjp(
        inputs: Sequence[Tensor], incoming: Sequence[Tensor], parameters: Mapping[str, Tensor]
    ) -> dict[Key, Tensor]:
        values = {pairing.tensors.get(name, name): p for name, p in parameters.items()}
        elsewhere = given.with_values([x.double() for x in inputs])
        items, _ = reference.gradients(elsewhere, incoming, torch.float64, parameters=values)
        return by_key(items)

    def graph(written_out: bool) -> Graph:
        key = id(trial.given), written_out
        if key not in graphs:
            mode = WrittenOut() if written_out else nullcontext()
            graphs[key] = _graph(reference, trial.given, named, mode)
        return graphs[key]

    return Evidence(
        input=trial.given.kind,
        cotangent=trial.cotangent,
        inputs=[x.detach() for x in given.tensors],
        differentiated=[i for i, x in enumerate(given.tensors) if x.requires_grad],
        parameters={named.get(n, n): p.detach().clone() for n, p in parameters.items()},
        outputs=[i.tensor for i in trial.truth if i.kind is Kind.OUTPUT and i.tensor is not None],
        incoming=[x.double() for x in trial.fed_in],
        manual={found.key: found.tensor for found, _ in pairs(trial, pairing)},
        right=by_key(trial.truth),
        vjp=vjp,
        graph=graph,
        dtype=next(i.tensor.dtype for i in trial.reference if i.tensor is not None),
        scales={row.key: row.scale for row in rows if row.key},
        unstrided=[read_as_contiguous(x).double() for x in trial.fed_in],
        training=bool(getattr(model, "training", True)),
        label=label,
    )


def _graph(
    reference: Case, given: Given, named: Mapping[str, str], mode: AbstractContextManager[object]
) -> Graph:
    """Of the reference in float64, on a copy of its own, so that nobody writes over what it keeps.

    Raises:
        Exception: Whatever the reference raises.
    """
    model = copy.deepcopy(reference.copies(torch.float64, awake=given.awake)[0])
    inside = Case.given(given, torch.float64)
    leaves = {Key(Kind.INPUT, place=i): x for i, x in enumerate(inside.differentiated)}
    if isinstance(model, nn.Module):
        if given.training is not None:
            model.train(given.training)
        own = model.named_parameters()
        leaves |= {Key(Kind.PARAMETER, named.get(n, n)): p for n, p in own if p.requires_grad}
    with undisturbed(given.tensors), torch.enable_grad(), mode:
        given.random_state.restore()
        args, kwargs = map_tensors(
            lambda x: x.clone() if x.requires_grad else x, (inside.args, inside.kwargs)
        )
        outputs = list(tensors_in(model(*args, **kwargs)))
    return Graph(outputs, leaves, inside.tensors, getattr(mode, "arguments", {}))
