"""Each notebook runs, and what is stored in it is what comes out."""

import copy
import json
import re

import pytest

from tests import ROOT
from tests.notebooks import executed

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def stored(notebook):
    return [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def comparable(outputs):
    """Pages without their numbers: the last digits of a rounding are not the same everywhere."""
    outputs = copy.deepcopy(outputs)
    for output in outputs:
        if "text/html" in output.get("data", {}):
            page = "".join(output["data"]["text/html"])
            output["data"]["text/html"] = re.sub(r"[\d.,e+-]+", "0", page)
    return outputs


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_those_that_are_stored(path):
    notebook = json.loads(path.read_text())
    for here, there in zip(executed(notebook), stored(notebook), strict=True):
        assert comparable(here) == comparable(there)


def test_there_is_one():
    assert NOTEBOOKS
