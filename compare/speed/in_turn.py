"""Candidates in turn: one round of each, then the next, so that what slows one slows all."""

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from compare.speed.kept_bytes import Bytes
from compare.speed.setting import Setting

_SECONDS = 0.03  # of a candidate in a round, at least
#: Of each candidate, unless the user asks for more.
MOST_ROUNDS = 30
# The threads of the library before spin for a while after their work and take the processors from
# whoever comes next: they are given time to go to sleep, those of libraries beside PyTorch more.
_PAUSE, _PAUSE_AFTER_OTHERS = 0.05, 0.3


@dataclass(frozen=True)
class Candidate:
    """A way to take a step, and what it keeps in memory for its backward where that is known."""

    step: Callable[[int], object]  # on the i-th batch
    saved_bytes: int | None = None
    by_torch: bool = True  # so that what it allocates can be seen
    scans: bool = False  # takes all batches at once, with the first
    # Name → a part of the step on the i-th batch, in the order in which they make it up.
    phases: Mapping[str, Callable[[int], object]] = field(default_factory=dict)
    saved_by_layer: Bytes = field(default_factory=dict)


@dataclass(frozen=True)
class Timing:
    """Microseconds a step over all rounds."""

    median_us: float
    quartiles_us: tuple[float, float]
    saved_bytes: int | None
    peak_bytes: int | None
    phases_us: dict[str, float]  # medians; empty where a step has no parts that could be timed
    saved_by_layer: Bytes


@dataclass(frozen=True)
class Turn:
    """What a candidate does in a round."""

    warm: int  # steps that do not count; none where one alone takes long enough
    timed: int  # steps at once, and then by phases
    seconds: float  # that all of it takes


def turn_of(candidate: Candidate, setting: Setting) -> Turn:
    """As many steps as take ``_SECONDS``, and at least one.

    Short ones make whole turns through the batches, so that each round has seen all of the data.
    """
    _time(candidate, setting, 2)  # compiles, allocates
    batches = setting.batches
    once = _time(candidate, setting, batches if candidate.scans else 1)
    if candidate.scans or once * batches < _SECONDS:
        once = _time(candidate, setting, batches)
        warm, timed = batches, batches * max(1, int(_SECONDS / (batches * once)))
    else:
        warm = int(_SECONDS / once)
        timed = max(1, warm)
    steps = warm + timed + (min(timed, batches) if candidate.phases and warm else 0)
    pause = _PAUSE if candidate.by_torch else _PAUSE_AFTER_OTHERS
    return Turn(warm, timed, once * steps + pause)


def rounds_within(turns: Iterable[Turn], seconds: float = 60) -> int:
    """How many rounds take about so long; at least 5, of which a median means something."""
    return min(MOST_ROUNDS, max(5, int(seconds / sum(turn.seconds for turn in turns))))


def in_turn(
    candidates: Mapping[str, Candidate],
    setting: Setting,
    rounds: int,
    advance: Callable[[], None],
    turns: Mapping[str, Turn] | None = None,
) -> dict[str, Timing]:
    """The timings by name, from so many rounds; ``turns`` if they have warmed up already."""
    turns = turns or {name: turn_of(candidate, setting) for name, candidate in candidates.items()}
    seen: dict[str, list[float]] = {name: [] for name in candidates}
    phases: dict[str, dict[str, list[float]]] = {
        name: {phase: [] for phase in candidate.phases} for name, candidate in candidates.items()
    }
    pause = _PAUSE_AFTER_OTHERS
    for i in range(rounds):
        for name, candidate in candidates.items():
            time.sleep(pause)
            turn = turns[name]
            # Where a turn has not all batches, each round begins with another one.
            first = i * turn.timed % setting.batches
            _time(candidate, setting, turn.warm, first)
            by_phases = min(turn.timed, setting.batches)
            if turn.warm or not candidate.phases:
                seen[name].append(1e6 * _time(candidate, setting, turn.timed, first))
                _time_phases(candidate, setting, phases[name], by_phases, first)
            else:  # one long step: what its phases take is what it takes
                _time_phases(candidate, setting, phases[name], by_phases, first)
                seen[name].append(sum(times[-1] for times in phases[name].values()))
            pause = _PAUSE if candidate.by_torch else _PAUSE_AFTER_OTHERS
        advance()
    return {
        name: Timing(
            statistics.median(times),
            (statistics.quantiles(times, n=4)[0], statistics.quantiles(times, n=4)[2]),
            candidates[name].saved_bytes,
            peak_bytes(candidates[name], setting) if candidates[name].by_torch else None,
            {phase: statistics.median(times) for phase, times in phases[name].items()},
            candidates[name].saved_by_layer,
        )
        for name, times in seen.items()
    }


def _time(candidate: Candidate, setting: Setting, steps: int, first: int = 0) -> float:
    """Seconds a step."""
    setting.wait()
    start = time.perf_counter()
    for i in range(first, first + steps):
        candidate.step(i % setting.batches)
    setting.wait()
    return (time.perf_counter() - start) / max(1, steps)


def _time_phases(
    candidate: Candidate, setting: Setting, seen: dict[str, list[float]], steps: int, first: int
) -> None:
    for i in range(first, first + steps if candidate.phases else first):
        for name, phase in candidate.phases.items():
            start = time.perf_counter()
            phase(i % setting.batches)
            setting.wait()
            seen[name].append(1e6 * (time.perf_counter() - start))


def peak_bytes(candidate: Candidate, setting: Setting) -> int:
    """The most memory that one step had allocated and not given back, beyond what was there."""
    if setting.on_gpu:
        before = torch.cuda.memory_allocated(setting.device)
        torch.cuda.reset_peak_memory_stats(setting.device)
        candidate.step(0)
        return torch.cuda.max_memory_allocated(setting.device) - before
    from torch.profiler import ProfilerActivity, profile

    cpu = [ProfilerActivity.CPU]
    with _silent(), profile(activities=cpu, profile_memory=True, acc_events=True) as record:
        candidate.step(0)
    now = most = 0
    for event in record.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


@contextmanager
def _silent() -> Iterator[None]:
    """Drop what PyTorch's profiler says of itself on stderr, past Python's own."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
