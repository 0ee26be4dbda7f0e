"""How many threads compute, and how they wait for each other. Without torch.

A small step hands its work to threads and waits for them some twenty times. OpenMP's threads spin
while they wait: on a machine that does other work they keep the processor from the very thread that
they wait for, and a step takes ten times as long. Those that sleep give it back, but have to be
woken twenty times a step, which takes longer than what they are woken for. So they spin for
somewhat longer than waking takes, and then sleep: no wait costs much more than the better of the
two would (Karlin et al. 1990, "Competitive randomized algorithms for nonuniform problems"). OpenMP
reads this when it is loaded, so it has to be set before torch is imported.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch_models.arguments import integer

#: No machine has as many cores: a slip of the finger.
MOST_THREADS = 4_096

#: By which a user has said how threads are to wait.
_WAIT = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
#: Looks for work before a thread sleeps: some 0.1 ms; to wake one takes about half of that.
_SPINS = 5_000
#: By which a user has said how many threads there are to be.
_NUMBER = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")

#: Looks at what runs beside this process, and seconds between two.
_LOOKS, _BETWEEN = 5, 0.01


def add_threads_option(group: argparse._ActionsContainer, usual: str = "") -> None:
    """``--threads``; ``usual`` is what to say of the default where that is another."""
    usual = usual or "the number of idle cores; 1 for small steps of mlp"
    group.add_argument(
        "--threads",
        type=integer(1, MOST_THREADS),
        metavar="N",
        help="CPU threads; the last digits depend on their number (default: "
        f"OMP_NUM_THREADS, else {usual})",
    )


def wait_briefly() -> None:
    """Before torch is imported: threads spin briefly, then sleep. What the environment says stands.

    Other OpenMPs than GNU's read the policy alone, and sleep at once.
    """
    if "torch" not in sys.modules and not any(name in os.environ for name in _WAIT):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ["GOMP_SPINCOUNT"] = str(_SPINS)


def use(
    threads: int | None, most: int | None = None, saved: object = None, processes: int = 1
) -> None:
    """Compute with so many threads; processes that this one starts do so, too.

    Args:
        threads: what the user asked for. The next to be asked is the environment.
        most: as many as there is work for.
        saved: what a training that is resumed was trained with, since its last digits depend on it.
        processes: how many share this machine.
    """
    import torch

    if threads is None:
        if any(name in os.environ for name in _NUMBER):
            return
        if type(saved) is int and 1 <= saved <= MOST_THREADS:
            threads = saved
        else:
            threads = _unasked(most, processes)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)


@contextmanager
def kept_to(threads: int | None, most: int | None = None) -> Iterator[int]:
    """Restrict this process to as many cores as it has threads, before any library counts them.

    NumPy and JAX start a thread for each core, so that all take part with the same number.

    Args:
        threads, most: as for ``use``.

    Yields:
        How many they are.
    """
    said = [os.environ[name] for name in _NUMBER if os.environ.get(name, "").isdecimal()]
    n = threads or (int(said[0]) if said else _unasked(most))
    os.environ["OMP_NUM_THREADS"] = str(n)
    if not hasattr(os, "sched_setaffinity"):  # not on Linux
        yield n
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[-n:])
    try:
        yield n
    finally:
        os.sched_setaffinity(0, allowed)


def _unasked(most: int | None, processes: int = 1) -> int:
    return max(1, min(free_cores() // processes, most or MOST_THREADS))


def number() -> str:
    """How many threads there are, in words."""
    import torch

    threads = torch.get_num_threads()
    return f"{threads} thread{'s' if threads > 1 else ''}"


def free_cores() -> int:
    """Cores that this process may use and that nothing else keeps busy, at least one."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return int(max(1, min(allowed, _quota(), (os.cpu_count() or 1) - busy())))


def busy(loads: Path = Path("/proc/loadavg")) -> int:
    """How many other threads of this machine want to run now, or did in the last minute."""
    try:
        looks = []
        for _ in range(_LOOKS):
            running, _, _ = loads.read_text().split()[3].partition("/")
            looks.append(int(running) - 1)  # this one, which is looking
            time.sleep(_BETWEEN)
        return max(0, int(statistics.median(looks)))
    except (OSError, ValueError, IndexError):  # not on Linux
        return round(os.getloadavg()[0]) if hasattr(os, "getloadavg") else 0


def _quota(groups: Path = Path("/sys/fs/cgroup")) -> float:
    """Cores' worth of time that a container may take; infinite without a limit, or unknown."""
    try:
        text = (groups / "cpu.max").read_text()
    except OSError:
        try:
            files = [groups / f"cpu/cpu.cfs_{what}_us" for what in ("quota", "period")]
            text = " ".join(path.read_text() for path in files)
        except OSError:
            return float("inf")
    quota, period = text.split()[:2]
    return max(1.0, int(quota) / int(period)) if quota not in ("max", "-1") else float("inf")
