"""CUDA graphs as the CPU can play them: what PyTorch is asked to compute is noted and replayed.

Like the real ones, a recording computes nothing: results hold NaN until the first replay, and
memory that was there before is as it was. Replays read and write the memory of the recording. What
the GPU refuses to record, a look at a value, is refused here too.
"""

from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

LOOKS = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero")


class Graph:
    def __init__(self):
        self.calls = []
        self.replays = 0

    def replay(self):
        self.replays += 1
        for call, args, kwargs, results in self.calls:
            computed = call(*args, **kwargs)
            for kept, new, fresh in results_of(call, results, computed):
                if fresh:
                    kept.copy_(new)


class Recorder(TorchDispatchMode):
    def __init__(self, graph):
        super().__init__()
        self.graph, self.before, self.made = graph, {}, []

    def __torch_dispatch__(self, call, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if call.overloadpacket.__name__ in LOOKS:
            raise RuntimeError("operation not permitted when stream is capturing")
        known = {t.untyped_storage().data_ptr() for t in self.made}
        for tensor in written(call, args, kwargs):
            pointer = tensor.untyped_storage().data_ptr()
            if pointer not in known and pointer not in self.before:
                self.before[pointer] = tensor, tensor.detach().clone()
        results = call(*args, **kwargs)
        self.made += [kept for kept, _, fresh in results_of(call, results, results) if fresh]
        self.graph.calls.append((call, args, kwargs, results))
        return results


def results_of(call, *all_results):
    """(…, whether the memory is new) for each result."""
    new = [result.alias_info is None for result in call._schema.returns]
    lists = [r if isinstance(r, tuple | list) else [r] for r in all_results]
    return [(*row, fresh) for *row, fresh in zip(*lists, new, strict=False) if row[0] is not None]


def written(call, args, kwargs):
    """The tensors that the call changes in place."""
    for i, argument in enumerate(call._schema.arguments):
        if argument.alias_info and argument.alias_info.is_write:
            given = args[i] if i < len(args) else kwargs.get(argument.name)
            yield from (t for t in tree_leaves(given) if isinstance(t, torch.Tensor))


@contextmanager
def record(graph, stream):
    recorder = Recorder(graph)
    with recorder:
        yield
    for tensor, value in recorder.before.values():
        tensor.copy_(value)
    for tensor in recorder.made:
        if tensor.is_floating_point():
            tensor.fill_(float("nan"))
