"""The network as inline SVG: neurons in columns, weights between them, what a step has reached."""

from collections.abc import Iterator, Sequence
from html import escape

from compare.exercises.show.step_by_step import BACKWARD, FORWARD, LOSS, Step, raised
from compare.exercises.show.three_decimals import shown
from manual_backprop import Network

_ACROSS, _DOWN, _RADIUS, _MARGIN = 170, 76, 25, 48  # pixels


def drawing(network: Network, found: Sequence[Step], now: int) -> str:
    """The network at step ``now``: numbers that are known by then, and the way that is taken."""
    reached, step = found[: now + 1], found[now]
    high = max(network.sizes) * _DOWN + 34
    wide = 2 * _MARGIN + _ACROSS * (len(network.sizes) - 1)
    parts = [*_weights(network, step), *_neurons(network, reached, step), *_names(network, high)]
    said = escape(f"Step {now + 1}: {step.symbol} = {step.equation}")
    return f'<svg viewBox="0 0 {wide} {high}" role="img" aria-label="{said}">{"".join(parts)}</svg>'


def _place(network: Network, l: int, i: int) -> tuple[float, float]:
    above = (max(network.sizes) - network.sizes[l]) / 2
    return _MARGIN + l * _ACROSS, (above + i + 0.5) * _DOWN


def _weights(network: Network, step: Step) -> Iterator[str]:
    """A line for each; those that the step goes through move in its direction."""
    for l, W in enumerate(network.weights, start=1):
        way = _way(step, l)
        for o, row in enumerate(W.tolist()):
            for i, w in enumerate(row):
                (x1, y1), (x2, y2) = _place(network, l - 1, i), _place(network, l, o)
                thick = 0.8 + 2.2 * min(abs(w), 1.0)
                name = f"W{raised(l)}, row {o + 1}, column {i + 1}: {shown(w)}"
                yield (
                    f'<line class="weight {way}" x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" '
                    f'y2="{y2:.0f}" stroke-width="{thick:.1f}"><title>{name}</title></line>'
                )


def _way(step: Step, l: int) -> str:
    """Whether the weights of layer ``l`` are what this step is about."""
    if step.direction == FORWARD and step.symbol.startswith("z") and step.layer == l:
        return "forward"
    if step.direction == BACKWARD:
        through = step.layer + 1 if step.symbol.startswith("δ") else step.layer
        return "backward" if through == l else ""
    return ""


def _neurons(network: Network, reached: Sequence[Step], step: Step) -> Iterator[str]:
    """What a neuron gave stands in it, its δ below it."""
    values = {0: network.a[0]}
    deltas = {}
    for known in reached:
        if known.direction == FORWARD:  # z first, then a in its place
            values[known.layer] = known.value
        elif known.symbol.startswith("δ"):
            deltas[known.layer] = known.value
    for l, size in enumerate(network.sizes):
        here = "now" if l == step.layer and not step.symbol.startswith("∂") else ""
        way = "backward" if step.direction in (BACKWARD, LOSS) else "forward"
        for i in range(size):
            x, y = _place(network, l, i)
            yield f'<circle class="neuron {here} {way}" cx="{x:.0f}" cy="{y:.0f}" r="{_RADIUS}"/>'
            if l in values:
                yield _text(x, y + 4, "value", shown(values[l][0, i].item()))
            if l in deltas:
                yield _text(x, y + _RADIUS + 13, "delta", f"δ {shown(deltas[l][0, i].item())}")


def _names(network: Network, high: float) -> Iterator[str]:
    last = len(network.weights)
    for l in range(last + 1):
        word = "inputs" if l == 0 else "output" if l == last else f"layer {l}"
        yield _text(_place(network, l, 0)[0], high - 8, "name", word)


def _text(x: float, y: float, kind: str, text: str) -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{text}</text>'
