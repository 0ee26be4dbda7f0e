"""The steps in a terminal: each equation in symbols, then with its matrices."""

from collections.abc import Sequence

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text
from torch import Tensor

from compare.command import console
from compare.exercises.show.step_by_step import BACKWARD, FORWARD, Step, Term, raised
from compare.exercises.show.three_decimals import rows, shown
from manual_backprop import Network

_COLOURS = {FORWARD: "cyan", BACKWARD: "magenta"}
_SIDES = {FORWARD: "→", BACKWARD: "←"}
_WIDEST = 100  # of a rule: a pipe has no edge that it could reach


def show(out: Console, network: Network, found: Sequence[Step]) -> None:
    """Print all of them, and the network with its a and δ at the end."""
    for number, step in enumerate(found, start=1):
        colour, side = _COLOURS.get(step.direction, "bold"), _SIDES.get(step.direction, "·")
        title = f"{side} {number}/{len(found)}  {step.symbol} = {step.equation}"
        rule = Rule(Text(title, style=colour), align="left", style="dim")
        out.print(rule, width=min(out.width, _WIDEST))
        console.say(out, step.sentence, "dim")
        _in_numbers(out, step.in_numbers())
        out.print()
    console.say(out, "the network: a from the forward pass, δ from the backward pass")
    out.print(_network(network, found))


def _in_numbers(out: Console, terms: Sequence[Term]) -> None:
    """The terms beside one another; what finds no room begins a line of its own."""
    line: list[list[str]] = []
    signs: list[list[str]] = []
    for term in terms:
        if isinstance(term, str):  # stands with the matrix behind it
            signs.append([term])
            continue
        blocks, signs = [*signs, _block(*term)], []
        if line and sum(len(b[0]) + 1 for b in [*line, *blocks]) > out.width:
            _print_line(out, line)
            line = []
        line += blocks
    _print_line(out, [*line, *signs])


def _print_line(out: Console, blocks: Sequence[list[str]]) -> None:
    height = max(map(len, blocks))
    centred = [_centred(block, height) for block in blocks]
    for row in zip(*centred, strict=True):
        out.print(Text(" ".join(row).rstrip()))


def _block(name: str, matrix: Tensor) -> list[str]:
    """Lines of equal length, the name above."""
    cells = rows(matrix)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    framed = [f"{left} {line} {right}" for line, (left, right) in _framed(lines)]
    width = max(len(name), len(framed[0]))
    return [name.center(width), *(line.center(width) for line in framed)]


def _framed(lines: Sequence[str]) -> list[tuple[str, tuple[str, str]]]:
    if len(lines) == 1:
        return [(lines[0], ("[", "]"))]
    edges = [("⎡", "⎤"), *[("⎢", "⎥")] * (len(lines) - 2), ("⎣", "⎦")]
    return list(zip(lines, edges, strict=True))


def _centred(block: list[str], height: int) -> list[str]:
    """As many lines as the others have. A sign stands beside the middle of the matrices."""
    blank = " " * len(block[0])
    if len(block) == 1:
        above = height // 2
        return [blank] * above + block + [blank] * (height - above - 1)
    above = (height - len(block)) // 2
    return [block[0], *[blank] * above, *block[1:], *[blank] * (height - len(block) - above)]


def _network(network: Network, found: Sequence[Step]) -> Table:
    """The neurons in columns: what each gave forward, and its δ."""
    deltas = {s.layer: s.value for s in found if s.symbol.startswith("δ")}
    last = len(network.weights)
    names = ["x", *(f"a{raised(l)}" for l in range(1, last)), "ŷ"]
    view = Table()
    for l, name in enumerate(names):
        view.add_column(name if l == 0 else f"{name}, δ{raised(l)}", justify="right")
    columns: list[list[Text]] = []
    for l, a in enumerate(network.a):
        values, δ = a[0].tolist(), deltas.get(l)
        column = [Text(shown(value), style=_COLOURS[FORWARD]) for value in values]
        if δ is not None:
            for text, d in zip(column, δ[0].tolist(), strict=True):
                text.append(f"\nδ {shown(d)}", style=_COLOURS[BACKWARD])
        columns.append(column)
    for n in range(max(map(len, columns))):
        view.add_row(*(column[n] if n < len(column) else Text() for column in columns))
    return view
