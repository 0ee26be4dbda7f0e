"""One page that needs nothing else: a step at a time, by buttons, by keys, or all in one list."""

from collections.abc import Sequence
from html import escape

from compare.exercises.show.controls import CSS, SCRIPT
from compare.exercises.show.drawing import drawing
from compare.exercises.show.step_by_step import BACKWARD, FORWARD, LOSS, Step, Term
from compare.exercises.show.three_decimals import rows
from compare.reports import style
from manual_backprop import Network

_WORDS = {FORWARD: "forward →", LOSS: "the loss", BACKWARD: "← backward"}


def page(network: Network, found: Sequence[Step]) -> str:
    """The whole file. Without a script every step stands below the one before."""
    sizes = "-".join(map(str, network.sizes))
    title = f"Backpropagation, step by step: {sizes}, {network.activation}, {network.loss}"
    sections = [_section(network, found, number) for number in range(len(found))]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title>'
        f"<style>{style.CSS}{CSS}</style></head><body><main>\n"
        f"<h1>{escape(title)}</h1>\n{_controls(len(found))}\n"
        + "\n".join(sections)
        + f"\n</main><script>{SCRIPT}</script></body></html>\n"
    )


def _controls(steps: int) -> str:
    return (
        '<nav class="controls" aria-label="Steps" hidden>'
        '<button type="button" id="back">← Back</button>'
        '<button type="button" id="next">Next →</button>'
        '<button type="button" id="play" aria-pressed="false">Play</button>'
        f'<input type="range" id="step" min="1" max="{steps}" value="1" aria-label="Step">'
        '<span class="soft" id="where" aria-live="polite"></span>'
        '<span class="soft keys">Keys: ← → Home End; space plays or pauses</span></nav>'
    )


def _section(network: Network, found: Sequence[Step], number: int) -> str:
    step = found[number]
    return (
        f'<section class="step {step.direction}">'
        f'<p class="soft">{number + 1} of {len(found)} · {_WORDS[step.direction]}</p>'
        f"<h2>{escape(step.symbol)} = {escape(step.equation)}</h2>"
        f"<p>{escape(step.sentence)}</p>"
        f"<figure>{drawing(network, found, number)}</figure>"
        f'<div class="equation">{"".join(map(_term, step.in_numbers()))}</div></section>'
    )


def _term(term: Term) -> str:
    if isinstance(term, str):
        return f'<span class="sign">{escape(term)}</span>'
    name, matrix = term
    lines = "".join(f"<tr>{''.join(f'<td>{x}</td>' for x in row)}</tr>" for row in rows(matrix))
    return f'<table class="matrix"><caption>{escape(name)}</caption><tbody>{lines}</tbody></table>'
