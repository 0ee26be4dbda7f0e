"""A change as people read it: without needless brackets, as lines, with a name for the mistake."""

import ast
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from compare.repair.program import Edit, edited


def tidy(edit: Edit) -> Edit:
    """The same with the brackets left out that change nothing."""
    owner = edit.owner
    meant = ast.dump(owner.parsed([edit]))

    def says_the_same(other: Edit) -> bool:
        try:
            return ast.dump(owner.parsed([other])) == meant
        except SyntaxError:
            return False

    changed = True
    while changed:
        changed = False
        around = owner.source[edit.start - 1 : edit.start], owner.source[edit.end : edit.end + 1]
        if around == (b"(", b")"):
            wider = replace(edit, start=edit.start - 1, end=edit.end + 1)
            if says_the_same(wider):
                edit, changed = wider, True
                continue
        for shorter in _without_brackets(edit.text):
            other = replace(edit, text=shorter)
            if says_the_same(other):
                edit, changed = other, True
                break
    return edit


def trimmed(edit: Edit) -> Edit:
    """The same without the needless brackets, and without what it puts in place of itself."""
    edit = tidy(edit)
    old, new = edit.owner.source[edit.start : edit.end].decode(), edit.text
    before = _in_common(old, new)
    old, new, same = old[before:], new[before:], old[:before]
    after = _in_common(old[::-1], new[::-1])
    end = edit.end - len(old[len(old) - after :].encode())
    return replace(
        edit, start=edit.start + len(same.encode()), end=end, text=new[: len(new) - after]
    )


def _in_common(a: str, b: str) -> int:
    """How many characters both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _without_brackets(text: str) -> list[str]:
    """The text without one pair of brackets, for each pair."""
    found, open_ones = [], []
    for i, c in enumerate(text):
        if c == "(":
            open_ones.append(i)
        elif c == ")" and open_ones:
            j = open_ones.pop()
            found.append(text[:j] + text[j + 1 : i] + text[i + 1 :])
    return found


def lines(edits: Sequence[Edit]) -> tuple[int, str, str]:
    """The first line that changes, the old lines and the new ones, without their indentation."""
    source = edits[0].owner.source
    start = min(e.start for e in edits)
    end = max(e.end for e in edits)
    changed = edited(source, edits)
    grown = len(changed) - len(source)
    begin = source.rfind(b"\n", 0, start) + 1
    old_end = _end_of_line(source, end)
    new_end = _end_of_line(changed, end + grown)
    old, new = source[begin:old_end].decode(), changed[begin:new_end].decode()
    return edits[0].owner.line(begin), _dedented(old), _dedented(new)


def name(edits: Sequence[Edit]) -> str:
    """What the edits say of the mistake."""
    return " and ".join(dict.fromkeys(e.says for e in edits))


def _end_of_line(text: bytes, at: int) -> int:
    found = text.find(b"\n", at)
    return len(text) if found < 0 else found


def _dedented(text: str) -> str:
    return "\n".join(line.rstrip() for line in textwrap.dedent(text).strip().splitlines())
