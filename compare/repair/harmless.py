"""Whether a function is arithmetic on tensors, as far as the names in it tell."""

import ast

from compare.repair.program import Editable

_NAMES = {
    *("open", "exec", "eval", "compile", "input", "breakpoint", "__import__", "globals", "setattr"),
    *("os", "subprocess", "shutil", "socket", "requests", "urllib", "pathlib", "Path", "tempfile"),
    *("pickle", "ctypes", "multiprocessing", "threading", "signal", "sys", "importlib"),
}
_ATTRIBUTES = {"save", "load", "unlink", "rmtree", "system", "popen", "write", "write_text", "dump"}


def is_harmless(editable: Editable) -> bool:
    """Whether neither its names nor those that it imports have to do with anything else."""
    own = set(editable.original.co_varnames)
    for node in ast.walk(editable.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            return False
        if isinstance(node, ast.Name) and node.id in _NAMES - own:
            return False
        if isinstance(node, ast.Attribute) and node.attr in _ATTRIBUTES:
            return False
    return True
