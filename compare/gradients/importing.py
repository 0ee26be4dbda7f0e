"""What the command line names: ``package.module:Name`` or ``path/to/file.py:Name``.

a class of modules       is constructed without arguments
a module                 is taken as it is
an autograd Function     stands for its ``apply``
a function that needs
no arguments             is called, and what it returns is taken
any other function       is compared as it is
"""

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from compare.gradients.left_on import as_it_was
from compare.trial.errors import ComparisonError, said
from compare.trial.randomness import undisturbed

# Python's own files, those of the environment, and what is in no file.
_NOT_OURS = (sys.prefix, sys.base_prefix, str(Path(torch.__file__).parent), "<")


def load(spec: str, seed: int = 0) -> Callable[..., Any]:
    """The module or function that is meant.

    Args:
        spec: see above.
        seed: of the random numbers that a constructor draws.

    Raises:
        ComparisonError: It cannot be imported or constructed, or is nothing that can be compared.
    """
    found = _find(spec)
    if isinstance(found, nn.Module):
        return found
    if isinstance(found, type) and issubclass(found, torch.autograd.Function):
        return found.apply
    if isinstance(found, type) and not issubclass(found, nn.Module):
        raise ComparisonError(
            f"{spec} is a class of neither torch.nn.Module nor torch.autograd.Function: name a "
            f"module, a function, or a function without arguments that makes one"
        )
    if not callable(found):
        raise ComparisonError(
            f"{spec} is {type(found).__name__}, which cannot be called: name a module or a function"
        )
    needed = _needed(found)
    if isinstance(found, type) and needed:
        raise ComparisonError(
            f"{spec} needs {', '.join(needed)} to be constructed: write a function without "
            f"arguments that constructs it, and name that"
        )
    if needed:
        return found
    made = _called(spec, found, seed)
    if not callable(made):
        raise ComparisonError(
            f"{spec}() returns {type(made).__name__}: expected a module or a function"
        )
    return made


def inputs(spec: str, seed: int = 0) -> tuple[tuple[Any, ...], Any]:
    """What the function named returns: the inputs and the loss's targets, or None.

    It takes no arguments and returns a tensor, a tuple of inputs, or a dict with "inputs" and
    "targets".

    Raises:
        ComparisonError: It cannot be imported, raises, or returns something else.
    """
    found = _find(spec)
    if not callable(found):
        raise ComparisonError(f"--inputs {spec} is no function: expected one without arguments")
    made = _called(spec, found, seed)
    targets = None
    if isinstance(made, dict):
        if "inputs" not in made:
            raise ComparisonError(f'--inputs {spec} returns a dict without "inputs"')
        made, targets = made["inputs"], made.get("targets")
    if isinstance(made, Tensor):
        made = (made,)
    if not isinstance(made, tuple | list) or not made:
        raise ComparisonError(
            f"--inputs {spec} returns {type(made).__name__}: expected a tensor, a tuple of inputs, "
            f'or a dict with "inputs" and "targets"'
        )
    return tuple(made), targets


def random_inputs(
    shapes: Sequence[Sequence[int]], dtype: torch.dtype, seed: int = 0
) -> tuple[Tensor, ...]:
    """Standard normal tensors of these shapes."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(tuple(shape), generator=generator, dtype=torch.float64).to(dtype)
        for shape in shapes
    )


def loss(spec: str, seed: int = 0) -> Callable[..., Any]:
    """A name in ``torch.nn.functional``, or what ``load`` takes."""
    if ":" not in spec:
        found = getattr(nn.functional, spec, None)
        if not callable(found):
            raise ComparisonError(
                f"--loss {spec}: torch.nn.functional has no function of that name; expected one, "
                f"such as cross_entropy, or package.module:name"
            )
        return found
    return load(spec, seed)


def _find(spec: str) -> Any:
    place, colon, name = spec.rpartition(":")
    if not (place and colon and name):
        raise ComparisonError(
            f"{spec} does not say where: expected package.module:Name or path/to/file.py:Name"
        )
    found: Any = _module(spec, place)
    for part in name.split("."):
        if not hasattr(found, part):
            near = [n for n in dir(found) if not n.startswith("_")][:8]
            raise ComparisonError(
                f"{spec}: {place} has no {part}; it has {', '.join(near) or 'nothing public'}"
            )
        found = getattr(found, part)
    return found


def _module(spec: str, place: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        with as_it_was():
            return _file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name and (place == error.name or place.startswith(f"{error.name}.")):
            raise ComparisonError(
                f"{spec}: there is no module {error.name}; run the command where it can be "
                f"imported, or give the path of a file: path/to/file.py:Name"
            ) from None
        raise ComparisonError(
            f"{spec}: importing it failed{_where(error)}: {said(error)}"
        ) from error
    except FileNotFoundError:
        raise ComparisonError(f"{spec}: there is no file {place}") from None
    except Exception as error:
        raise ComparisonError(
            f"{spec}: importing it failed{_where(error)}: {said(error)}"
        ) from error


def _file(path: Path) -> ModuleType:
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    # Its neighbours can be imported, as they could be if it were run, and pickle finds it.
    sys.path.insert(0, str(path.absolute().parent))
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _called(spec: str, function: Callable[[], Any], seed: int) -> Any:
    with undisturbed(), as_it_was():
        torch.manual_seed(seed)
        try:
            return function()
        except Exception as error:
            raise ComparisonError(f"{spec}() failed{_where(error)}: {said(error)}") from error


def _needed(found: Callable[..., Any]) -> list[str]:
    """The parameters without a default; something, where that cannot be found out."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return ["its arguments"]
    return [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def _where(error: BaseException) -> str:
    """File and line in the user's own code, where there are any."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename != __file__ and not f.filename.startswith(_NOT_OURS)]
    return f" in {Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""
