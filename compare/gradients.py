"""``python -m compare.gradients``: do the gradients by hand agree with autograd's, one by one.

Our own MLP on one batch of real data. For any two models there is ``compare.compare_gradients``.
"""

import argparse
import sys
from collections.abc import Sequence

from compare.options import checked, gradients_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 agree, 1 disagree, 2 bad input)."""
    parser = gradients_parser()
    options = checked(parser, parser.parse_args(arguments))
    # From here on it takes seconds to import; --help and wrong options have been answered.
    from compare.command import exit_code

    return exit_code(parser.prog, lambda: _compare(options))


def _compare(options: argparse.Namespace) -> bool:
    from compare import candidates, console
    from compare.command import write_json
    from compare.explicit import compare_explicit
    from compare.pair import compare_gradients
    from compare.report import describe

    images = candidates.load(options)
    manual = candidates.build(options.backprop, options, images)
    reference = candidates.build("autograd", options, images)
    batches = images.training_batches(options.batch_size, options.seed)
    x, labels = next(batches.of_epoch(0))
    x = x.to(next(reference.network.parameters()).dtype)
    if options.backprop == "explicit":
        how = (options.activation, options.loss)
        report = compare_explicit(reference.network, *how, x, labels, options.seed)
    else:
        report = compare_gradients(
            manual.network,
            reference.network,
            x,
            loss=(manual.loss, reference.loss),
            targets=labels,
            seed=options.seed,
        )
    what = candidates.describe(options, images)
    title = f"{options.backprop} against autograd: {what}, batch of {len(x)}"
    out = console.stdout()
    console.say(out, title, "bold")
    out.print(console.table(report))
    if report.layers:
        out.print(console.layer_table(report))
    for line in [*map(describe, report.failures), *report.by_trial()]:
        console.say(out, line)
    console.say(out, report.summary(), "green" if report.passed else "bold red")
    if options.json:
        facts = {"dataset": images.name, "dtype": options.dtype, "seed": options.seed}
        write_json(options.json, {**report.as_json(), **facts})
    return report.passed


if __name__ == "__main__":
    sys.exit(main())
