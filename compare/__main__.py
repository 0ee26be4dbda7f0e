"""``manual-backprop COMMAND …``, or ``python -m compare COMMAND …``: every command by its name."""

import runpy
import sys
from collections.abc import Sequence

#: Name → the module of ``python -m``, and what it is for. Nothing is imported for them.
COMMANDS = {
    "train": ("torch_models.train", "train a network, with autograd or hand-written gradients"),
    "predict": ("torch_models.predict", "say which digit a picture shows, using a trained run"),
    "curves": ("torch_models.curves", "plot the newest training curves in one picture"),
    "gradients": ("compare.gradients", "compare the gradients of two models, layer by layer"),
    "training": ("compare.training", "compare two whole trainings, step by step"),
    "layers": ("compare.layers", "compare every layer with torch.nn"),
    "speed": ("compare.speed", "time a training step"),
    "mutants": ("compare.mutants", "plant bugs, and check that each is found"),
    "notes": ("compare.notes", "recompute the lecture notes"),
    "exercises": ("compare.exercises", "learn: write backward passes, and be told what is wrong"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command as ``python -m`` does; returns its exit code, or exits with it."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        sys.stdout.write(_help())
        return 0
    if name not in COMMANDS:
        expected = f"expected one of {', '.join(COMMANDS)}"
        sys.stderr.write(f"manual-backprop: error: there is no command {name!r}: {expected}\n")
        return 2
    module, _ = COMMANDS[name]
    sys.argv[1:] = rest
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def _help() -> str:
    lines = [f"  {name:9}  {what}\n" for name, (_, what) in COMMANDS.items()]
    return (
        "usage: manual-backprop COMMAND [options]\n\n"
        f"{''.join(lines)}\n"
        "manual-backprop COMMAND --help lists its options; each is also python -m MODULE.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
