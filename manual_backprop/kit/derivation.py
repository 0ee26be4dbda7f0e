"""What ``help`` shows of a public name: below its own docstring, the derivation it follows.

That is the docstring of its file: the equation, shapes and source. It is written once, above the
code, and added to each name when the package is imported.
"""

import inspect
import re
import sys
from collections.abc import Mapping
from types import FunctionType
from typing import Any


def show_derivations(names: Mapping[str, Any]) -> None:
    """Add its derivation to the docstring of each public class and function among these names."""
    public = {thing for name, thing in names.items() if name[0] != "_" and _is_a_layer(thing)}
    for thing in public:
        thing.__doc__ = f"{inspect.getdoc(thing)}\n\n{derivation_in(thing.__module__)}"


def derivation_in(file: str) -> str:
    """The docstring of this module, or of the one that it says its mathematics is derived in."""
    docstring = sys.modules[file].__doc__ or ""
    elsewhere = re.search(r"derived in ``(\w+)``\.$", docstring)
    return derivation_in(f"{file.rpartition('.')[0]}.{elsewhere[1]}") if elsewhere else docstring


def _is_a_layer(thing: Any) -> bool:
    home = thing.__module__ if isinstance(thing, type | FunctionType) else ""
    return home.startswith("manual_backprop.") and not home.startswith("manual_backprop.kit.")
