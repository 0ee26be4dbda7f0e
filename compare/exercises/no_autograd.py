"""Whether the learner's code leaves the derivative to autograd, or to PyTorch's kernels.

However autograd is called, it comes through its engine, and kernels through the dispatcher. Both
are watched while the learner's code is at work.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.autograd import Variable, forward_ad
from torch.utils._python_dispatch import TorchDispatchMode


class NotByHandError(Exception):
    """It was left to somebody else to differentiate."""


class Watch:
    """Whether the learner's code is at work, and what it left to others."""

    def __init__(self) -> None:
        self.inside, self.by = False, ""

    @contextmanager
    def learner(self) -> Iterator[None]:
        """Entered wherever the learner's code runs."""
        before, self.inside = self.inside, True
        try:
            with _Kernels(self):
                yield
        finally:
            self.inside = before

    def refuse(self, who: str) -> None:
        """Raises where the learner is at work, and remembers it, as code may catch it."""
        if self.inside:
            self.by = self.by or who
            raise NotByHandError(who)


class _Kernels(TorchDispatchMode):
    """Notices PyTorch's own backward kernels."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name().removeprefix("aten::").partition(".")[0]
        if "backward" in name:
            self.watch.refuse(f"PyTorch's own {name}")
        return func(*args, **(kwargs or {}))


class _Engine:
    """Autograd's, for us and not for the learner."""

    def __init__(self, engine: Any, watch: Watch) -> None:
        self._engine, self._watch = engine, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run_backward(self, *args: Any, **kwargs: Any) -> Any:
        self._watch.refuse("autograd")
        return self._engine.run_backward(*args, **kwargs)


@contextmanager
def watched() -> Iterator[Watch]:
    """Autograd tells when the learner's code calls it, however it does; for a process to end."""
    watch = Watch()
    engine: Any = _Engine(Variable._execution_engine, watch)
    Variable._execution_engine = engine
    enter = forward_ad.enter_dual_level

    def refused(*args: Any, **kwargs: Any) -> Any:
        watch.refuse("autograd in forward mode")
        return enter(*args, **kwargs)

    forward_ad.enter_dual_level = refused
    yield watch
