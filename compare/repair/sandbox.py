"""Edited code runs in a process of its own, which can neither last, nor grow, nor write anything.

It is a fork, so that it has the models and their memory as they are, and nothing that it does to
them is seen outside. It has one thread, and no CUDA. What it finds it sends through a pipe, the
last word counting; when its time is over it is killed, which also stops what runs in C.
"""

import contextlib
import os
import pickle
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

try:
    import resource
except ImportError:  # where there is no fork either
    resource = None  # type: ignore[assignment]

#: Bytes that it may take beyond what is there already.
MEMORY = 4 * 2**30
_LONG = 2.0  # seconds without an answer after which the user is told what takes so long
_TRIES, _STEP = 100, 0.005  # looks at whether a process has ended, and seconds between two
_FORBIDDEN = ("os.", "subprocess.", "socket.", "shutil.", "ctypes.dlopen", "urllib.", "ftplib.")
_CODE = (".py", ".pyc", ".so")
_HARMLESS = ("os.listdir", "os.scandir", "os.putenv", "os.unsetenv", "os.walk")

Send = Callable[[Any], None]


class ForbiddenError(RuntimeError):
    """Edited code tried something that is not arithmetic on tensors."""


def available() -> bool:
    """Whether this system can fork."""
    return hasattr(os, "fork")


def run_apart(
    work: Callable[[Send], None],
    seconds: float,
    waiting: Callable[[], None] = lambda: None,
    memory: int = MEMORY,
    encode: Callable[[Any], bytes] = pickle.dumps,
    decode: Callable[[bytes], Any] = pickle.loads,
    *,
    reads: bool = True,
) -> Any:
    """The last thing that ``work`` sent, or None; killed after that many seconds.

    Args:
        work: Called with what sends.
        seconds: As long as it may take.
        waiting: Called once, where it takes long.
        memory: Bytes that it may take beyond what is there already.
        encode, decode: What is sent as bytes, and back. ``pickle`` is not for code that nobody
            trusts: what it reads may be anything.
        reads: Whether it may open files at all, but for modules that it imports.
    """
    start = time.monotonic()  # to fork counts, too: with much memory that takes its time
    read_end, write_end = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # none, or a closed one
            stream.flush()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _in_the_child(work, write_end, seconds, memory, encode, reads)
    os.close(write_end)
    try:
        last = _last_message(read_end, start, seconds, waiting)
        return None if last is None else decode(last)
    finally:
        os.close(read_end)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _buried(child)


def _buried(child: int) -> None:
    """Wait for its end, but not for long: the system may take seconds to free much memory."""
    for _ in range(_TRIES):
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(_STEP)


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Within ``with`` Python code that takes longer, in seconds of CPU, raises ``TimeoutError``.

    For loops that no longer end: one must not cost the others their time. What runs in C is not
    interrupted; it is killed in the end.
    """

    def over(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _last_message(
    pipe: int, start: float, seconds: float, waiting: Callable[[], None]
) -> bytes | None:
    received, told = b"", False
    while (left := start + seconds - time.monotonic()) > 0:
        if not told and time.monotonic() - start > _LONG:
            waiting()
            told = True
        ready, _, _ = select.select(
            [pipe],
            [],
            [],
            left if told else min(left, max(0.0, start + _LONG - time.monotonic()) + 0.01),
        )
        if ready:
            part = os.read(pipe, 2**16)
            if not part:
                break
            received += part
    last = None
    while len(received) >= 8:
        [size] = struct.unpack("<Q", received[:8])
        if len(received) < 8 + size:
            break
        last, received = received[8 : 8 + size], received[8 + size :]
    return last


def _in_the_child(
    work: Callable[[Send], None],
    pipe: int,
    seconds: float,
    memory: int,
    encode: Callable[[Any], bytes],
    reads: bool,
) -> None:
    """Never returns: nothing of what the parent would do at its end is done twice."""
    code = 1
    try:
        _only(pipe)
        _limit(seconds, memory)
        sys.dont_write_bytecode = True  # an import would want to
        torch.set_num_threads(1)
        locked = [False]

        def send(message: Any) -> None:
            data = encode(message)
            data = struct.pack("<Q", len(data)) + data
            while data:
                data = data[os.write(pipe, data) :]

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if not locked[0]:
                return
            if event == "open":
                mode, flags = (arguments[1] or ""), arguments[2]
                writes = flags & (os.O_WRONLY | os.O_RDWR) if isinstance(flags, int) else 0
                is_code = str(arguments[0]).endswith(_CODE)
                if writes or any(c in str(mode) for c in "wax+") or not (reads or is_code):
                    raise ForbiddenError(f"opening {arguments[0]}")
            elif event.startswith(_FORBIDDEN) and event not in _HARMLESS:
                raise ForbiddenError(event)

        sys.addaudithook(hook)
        locked[0] = True
        work(send)
        code = 0
    except BaseException:  # what could not be done is not done
        pass
    finally:
        os._exit(code)


def _only(pipe: int) -> None:
    """No file descriptor but this one; where Python prints to is nowhere."""
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)
    for fd in _open_files():
        if fd > 2 and fd != pipe:
            with contextlib.suppress(OSError):  # the one that the list itself was read by
                os.close(fd)
    sys.stdout = sys.stderr = _Nowhere()


def _open_files() -> Iterable[int]:
    """The descriptors there are; where the system does not list them, all there can be."""
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return range(4096)


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


def _limit(seconds: float, memory: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    whole = int(seconds) + 2
    spent = int(sum(os.times()[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (spent + whole, spent + whole))
    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm") as file:
        there = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (there + memory, there + memory))
