"""``python -m compare.mutants``: the checker is checked, on bugs planted on purpose.

Each planted bug must be found, blamed on the layer and gradient that it is in, and called what it
is; each right backward that is written otherwise must not be accused. Beside it the same under the
rules that others use.
"""

import argparse
from collections.abc import Sequence
from typing import Any

from compare.catalogue import specimens
from compare.command.argument_types import new_file, seconds
from compare.command.exit import NOT_DONE, exit_code
from compare.mutants.outcome import Outcome, as_json, complaints, examine, rules_table, tally
from torch_models.arguments import OneLineParser, integer
from torch_models.threads import add_threads_option, number

#: The share of bugs whose name must be right; all must be found and blamed, and nobody accused.
DIAGNOSED = 0.93


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 as it must be, 1 not so, 2 bad input)."""
    parser = mutants_parser()
    options = parser.parse_args(arguments)
    # From here on it takes seconds to import; --help and wrong options have been answered.
    return exit_code(parser.prog, lambda: _run(options), threads=options.threads, most_threads=1)


def mutants_parser() -> OneLineParser:
    """The parser of ``python -m compare.mutants``."""
    parser = OneLineParser(
        prog="python -m compare.mutants",
        description="Check the checker: plant bugs in hand-written backwards of every kind "
        "and check that each is found, blamed on the right layer and correctly diagnosed, "
        "and that correct backwards in other forms are not accused; compare with the rules "
        "that others use.",
        epilog="Exit code 0: every bug found and blamed, 93 of 100 diagnosed (in the museum 25 of "
        f"30 diagnosed or changed), and no correct backward accused; 1: otherwise; {NOT_DONE}",
    )
    parser.add_argument(
        "--json", type=new_file, metavar="FILE", help="write the result to FILE as JSON"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--edits",
        type=integer(1),
        metavar="N",
        help="instead, plant N small errors drawn at random from the sources of the "
        "layers: an operator, a factor, an argument, a statement …",
    )
    instead.add_argument(
        "--museum",
        action="store_true",
        help="instead, use wrong backwards that public projects really shipped, and their fixes",
    )
    parser.add_argument(
        "--repair",
        type=seconds,
        metavar="off|SECONDS",
        help="seconds to search, for each wrong gradient, for a change that fixes it (default: 10)",
    )
    parser.add_argument(
        "--seed", type=integer(0), default=0, help="seed of the random draws (default: %(default)s)"
    )
    add_threads_option(parser, "1, as the tensors are small")
    return parser


def _run(options: argparse.Namespace) -> bool:
    from compare.command import console
    from compare.command.writing import write_json

    out = console.stdout()
    what = "errors drawn at random" if options.edits else "wrong and correct backwards"
    console.say(out, f"{what}, {number()}", "bold")
    if options.museum:
        from compare.mutants import exhibition

        return exhibition.run(options.json, options.repair)
    if options.edits:
        from compare.mutants import drawn_outcomes

        return drawn_outcomes.run(options.edits, options.seed, options.json, options.repair)
    found = specimens()
    with console.progress(out, "specimens", len(found)) as advance:
        outcomes = []
        for specimen in found:
            outcomes.append(examine(specimen, options.repair))
            advance()
    counts = tally(outcomes)
    _show(out, outcomes, counts)
    if options.json:
        write_json(options.json, {**counts, "mutants": [as_json(o) for o in outcomes]})
    return is_well(counts)


def is_well(counts: dict[str, Any]) -> bool:
    """All found and blamed, 93 of 100 diagnosed, nobody accused; and there were some."""
    planted = counts["planted"]
    return (
        planted > 0
        and counts["killed"] == counts["blamed"] == planted
        and counts["diagnosed"] >= DIAGNOSED * planted
        and counts["falsely_accused"] == 0
    )


def _show(out: Any, outcomes: Sequence[Outcome], counts: dict[str, Any]) -> None:
    from compare.command import console

    said = ["what was said"] if out.width >= console.WIDE else []
    view = console.table("planted", "found", "blamed", "diagnosed", "repaired", *said)
    for o in outcomes:
        if not o.is_right:
            became = (o.killed, o.blamed, o.diagnosed, o.repaired)
            marks = ["✓" if x else "✗" for x in became]
            console.row(view, o.specimen.name, *marks, *("; ".join(o.sentences) for _ in said))
    out.print(view)
    out.print(rules_table(outcomes, counts, wide=out.width >= console.WIDE))
    console.say_first(out, list(complaints(outcomes)), "--json FILE lists them all", "bold red")
    word = "passed" if is_well(counts) else "FAILED"
    planted, right = counts["planted"], counts["right"]
    summary = (
        f"{word}: of {planted} planted bugs {counts['killed']} found, {counts['blamed']} blamed on "
        f"the right layer, {counts['diagnosed']} diagnosed, {counts['repaired']} with a verified "
        f"change; of {right} correct backwards {counts['falsely_accused']} accused"
    )
    console.say(out, summary, "green" if is_well(counts) else "bold red")
