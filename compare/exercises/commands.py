"""``python -m compare.exercises COMMAND``: the command line."""

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from compare.command.exit import NOT_DONE, exit_code
from compare.exercises import command_options
from compare.exercises.show import add_options as show_options
from torch_models.arguments import OneLineParser
from torch_models.threads import add_threads_option

if TYPE_CHECKING:
    from compare.exercises.checking import Verdict
    from compare.exercises.exercise import Exercise
    from compare.exercises.tutor import Tutor

Options = argparse.Namespace


class Command(NamedTuple):
    """A sub-command: what it is for, its own options, and what it does; False fails."""

    what: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Options], bool]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0 solved or done, 1 not yet, 2 bad input.
    """
    parser = OneLineParser(
        prog="python -m compare.exercises",
        description="Exercises in backpropagation: write the missing line of a backward pass, and "
        "be told what is wrong.",
        epilog="Exit code 0: solved, or done; 1: not yet; " + NOT_DONE,
    )
    add_threads_option(parser, "1, as the tensors are small")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        own = commands.add_parser(name, help=command.what, description=_sentence(command.what))
        command.add_options(own)
    options = parser.parse_args(arguments)
    work = COMMANDS[options.command].run
    return exit_code(parser.prog, lambda: work(options), threads=options.threads, most_threads=1)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _say(line: str, style: str = "") -> None:
    from compare.command import console

    console.say(console.stdout(), line, style)


def _start(options: Options) -> bool:
    from compare.exercises.folder import start

    written, there = start(options.folder, _chosen(options))
    kept = f", {there} were already there and are unchanged" if there else ""
    _say(f"{written} exercises in {options.folder}{kept}")
    _say("open the first one in your editor, and leave this running next to it:")
    _say(f"python -m compare.exercises watch --dir {options.folder}")
    return True


def _check(options: Options) -> bool:
    tutor = _tutor(options)
    exercise = _one(options.name, tutor)
    verdict = tutor.check(exercise)
    _show_verdict(tutor, exercise, verdict)
    return verdict.solved


def _show_verdict(tutor: "Tutor", exercise: "Exercise", verdict: "Verdict") -> None:
    first, *lines = str(verdict).splitlines()
    _say(first, "bold green" if verdict.solved else "bold")
    for line in lines:
        _say(line)
    if verdict.solved:
        following = tutor.next()
        _say(f"next: {tutor.path(following).name}" if following else "all exercises are solved")


def _watch(options: Options) -> bool:
    from compare.exercises.watching import watch

    tutor = _tutor(options)
    following = tutor.next()
    if following is not None:
        _say(
            f"watching {options.dir.absolute()}; next: {tutor.path(following).name}; Ctrl-C ends it"
        )

    def say(exercise: "Exercise", verdict: "Verdict") -> None:
        _show_verdict(tutor, exercise, verdict)

    try:
        watch(tutor, say)
    except KeyboardInterrupt:
        _say("stopped; `next` shows where to continue")
        return False
    _say("all exercises are solved")
    return True


def _next(options: Options) -> bool:
    tutor = _tutor(options)
    following = tutor.next()
    if following is None:
        _say("all exercises are solved")
        return True
    _say(f"{tutor.path(following)}: {following.title}, derive {following.derive}")
    return True


def _hint(options: Options) -> bool:
    tutor = _tutor(options)
    _say(tutor.hint(_one(options.name, tutor)))
    return True


def _list(options: Options) -> bool:
    from compare.command import console
    from compare.exercises.folder import number

    tutor = _tutor(options)
    table = console.table("", "exercise", "derive", "state", "attempts", numbers=("", "attempts"))
    exercises = [e for e in _chosen(options) if e in tutor.there()]
    for e in exercises:
        attempts = tutor.progress[e.name]["attempts"]
        state = "solved" if tutor.solved(e) else ""
        console.row(table, str(number(e)), console.Name(e.name), e.derive, state, str(attempts))
    console.stdout().print(table)
    _say(f"{sum(map(tutor.solved, exercises))} of {len(exercises)} solved")
    return True


def _reset(options: Options) -> bool:
    tutor = _tutor(options)
    exercise = _one(options.name, tutor)
    tutor.reset(exercise)
    _say(
        f"{tutor.path(exercise).name} is restored; your version is in "
        f"{tutor.path(exercise).name}.before"
    )
    return True


def _solution(options: Options) -> bool:
    tutor = _tutor(options)
    for line in tutor.solution(_one(options.name, tutor), options.give_up).splitlines():
        _say(line)
    return True


def _grade(options: Options) -> bool:
    import json

    from compare.command import console
    from compare.exercises.tutor import Tutor
    from torch_models.streams import streams

    tutor = Tutor(options.folder, options.seed)
    grades = tutor.grades(_chosen(options))
    solved = sum(grade["solved"] for grade in grades)
    if options.json:
        report = {"folder": str(options.folder), "solved": solved, "exercises": grades}
        streams().out.write(json.dumps(report, indent=2) + "\n")
        return True
    table = console.table("", "exercise", "state", "attempts", "mistakes", numbers=("", "attempts"))
    for g in grades:
        mistakes = ", ".join(dict.fromkeys(g["mistakes"]))
        name = console.Name(g["exercise"])
        console.row(table, str(g["number"]), name, g["state"], str(g["attempts"]), mistakes)
    console.stdout().print(table)
    _say(f"{solved} of {len(grades)} solved")
    return True


def _selftest(options: Options) -> bool:
    from compare.command import console
    from compare.exercises.selftest import run

    exercises = _chosen(options)
    with console.progress(console.stdout(), "exercises", len(exercises)) as advance:
        result = run(exercises, options.seed, advance)
    if options.json:
        result.save(options.json)
    for line in result.missed:
        _say(line)
    _say(result.line, "" if result.passed else "bold")
    return result.passed


def _show(options: Options) -> bool:
    from compare.exercises.show import show

    return show(options)


def _chosen(options: Options) -> "Sequence[Exercise]":
    from compare.exercises.chosen import chosen

    return chosen(options.only)


def _tutor(options: Options) -> "Tutor":
    from compare.exercises.tutor import Tutor

    return Tutor(options.dir, options.seed)


def _one(name: str | None, tutor: "Tutor") -> "Exercise":
    from compare.exercises.chosen import chosen

    return chosen(name)[0] if name else tutor.next() or tutor.there()[-1]


COMMANDS = {
    "start": Command("put the exercises into a folder", command_options.start, _start),
    "check": Command("check a file, and say what is wrong", command_options.perhaps_named, _check),
    "watch": Command("check each file when you save it", command_options.of_folder, _watch),
    "next": Command("show which exercise comes next", command_options.of_folder, _next),
    "hint": Command(
        "give a hint: the equation, the term, the line", command_options.perhaps_named, _hint
    ),
    "list": Command("list the exercises and what is solved", command_options.listing, _list),
    "reset": Command("restore the original file", command_options.named, _reset),
    "solution": Command(
        "show the solution of a solved exercise", command_options.solution, _solution
    ),
    "grade": Command("for teachers: show what a learner has solved", command_options.grade, _grade),
    "show": Command("draw one sample through a network, forward and back", show_options, _show),
    "selftest": Command(
        "test the tutor on right and wrong answers", command_options.selftest, _selftest
    ),
}
