"""Reads what a run left for TensorBoard."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def logged(run):
    everything = {"images": 0, "tensors": 0, "histograms": 0, "scalars": 0}
    events = EventAccumulator(str(run), size_guidance=everything)
    events.Reload()
    return events
