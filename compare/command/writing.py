"""The files that a command writes, each as a whole; see ``torch_models.outputs``."""

import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch_models.outputs import NotWrittenError, write
from torch_models.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["NotWrittenError", "json_text", "write_json", "write_picture", "write_text"]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Raises NotWrittenError, which names the option, where it cannot be written."""
    write_text(path, json_text(content), "--json")


def json_text(content: dict[str, Any]) -> str:
    """``content`` as strict JSON, in which no character does anything to who prints it."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    return re.sub(r"[^\n -~]", _in_json, text) + "\n"


def _in_json(found: re.Match[str]) -> str:
    """As it is, or an escape of JSON's, which reads as the same; of half a pair none does."""
    character = found[0]
    if character.isprintable():
        return character
    if "\ud800" <= character <= "\udfff":
        return printable(character).replace("\\", "\\\\")
    return json.dumps(character)[1:-1]


def write_text(path: Path, text: str, option: str) -> None:
    """Raises NotWrittenError, which names the option, where it cannot be written."""
    write(path, text.encode("utf-8", "backslashreplace"), option)


def write_picture(path: Path, figure: "Figure", option: str, dpi: int = 150) -> None:
    """Raises NotWrittenError, which names the option, where it cannot be written."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=dpi, format=path.suffix[1:].lower())
    write(path, drawn.getvalue(), option)
