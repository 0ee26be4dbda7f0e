"""What one edit can make of an expression."""

import pytest

from compare.repair.program import Editable, edited
from compare.repair.single_edits import single_edits
from compare.repair.source import statements, written


def moved(f, a, b):
    return f(a) * b


def method(a, b):
    return a.sum(0) / b


def in_place(a, b):
    return a.mul_(b)


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (moved, "return f((a * b))"),
        (method, "return (a / b).sum(0)"),
        (in_place, "return a.mul(b)"),
        (in_place, "return b"),
    ],
)
def test_one_edit_gives(function, line):
    editable = Editable(written(function))
    edits = single_edits(editable, list(statements(editable.tree)), ["a", "b"], [])
    texts = [edited(editable.source, [edit]).decode().splitlines() for edit in edits]
    assert any(line in (each.strip() for each in text) for text in texts)
