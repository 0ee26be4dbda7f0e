"""``python -m torch_models.train``: train, validate, test, and leave a run for TensorBoard."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from torch_models import extras, threads
from torch_models.names import run_name
from torch_models.options import parse_train
from torch_models.printable import one_line
from torch_models.recipes import RECIPES, most_threads
from torch_models.runs import RefusedError, run_folder
from torch_models.streams import kept, streams
from torch_models.too_little_memory import is_exhausted
from torch_models.while_importing import ended_at_once

PROGRAM = "python -m torch_models.train"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 trained, 1 failed, 2 bad input)."""
    options = parse_train(arguments)
    # What ends a training from outside is taken as Ctrl-C is: in order, saying how to go on.
    ends = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.default_int_handler) for number in ends}
    threads.wait_briefly()
    # It takes seconds to import; --help and wrong options have been answered.
    try:
        with ended_at_once(PROGRAM, *ends), extras.named():
            from torch_models.checkpoints import NotSavedError
            from torch_models.classifier import NonFiniteLossError
            from torch_models.mnist import DataError
            from torch_models.quiet import quietly
            from torch_models.ranks import lost_another
            from torch_models.resume import CheckpointError
    except extras.MissingExtraError as error:
        _give_back(before)
        streams().err.write(f"{PROGRAM}: error: {error}\n")
        return 2

    try:
        with quietly(), kept() as ours:
            train(options)
            if ours.out.error is not None:
                return fail(2, f"stdout cannot be written: {ours.out.error.strerror}")
    except NonFiniteLossError as error:
        return fail(1, f"{error}: try a smaller --lr than {options.lr:g}")
    except NotSavedError as error:
        return fail(1, f"{error}: make room or choose another --log-dir")
    except (RefusedError, DataError, CheckpointError, extras.MissingExtraError) as error:
        return fail(2, str(error))
    except (KeyboardInterrupt, SystemExit):  # Lightning turns the former into the latter
        return fail(130, "interrupted")
    except Exception as error:
        compiler = ("torch._dynamo", "torch._inductor")
        if options.compile and type(error).__module__.startswith(compiler):
            return fail(2, f"--compile does not work on this machine: {error}".split("\n")[0])
        if is_exhausted(error):
            layers = "-".join(map(str, options.hidden))
            of_mlp = f"--hidden than {layers}"
            smaller = of_mlp if options.network == "mlp" else "--batch-size"
            return fail(2, f"out of memory: choose a smaller {smaller}")
        if lost_another(error):
            return fail(
                1, "another process of this training has ended; continue with --resume last"
            )
        raise
    finally:
        _give_back(before)
    return 0


def _give_back(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def fail(code: int, message: str) -> int:
    """Print one line to stderr; what all processes of a training would say, the first one says."""
    from torch_models.ranks import is_first

    if code == 1 or is_first():
        streams().err.write(f"{PROGRAM}: error: {one_line(message)}\n")
    return code


def train(options: argparse.Namespace) -> None:
    """Train and test as the options say, and print the figures."""
    from torch_models import resume
    from torch_models.dashboards.logger import run_logger
    from torch_models.data import TrainingData
    from torch_models.fit import fit
    from torch_models.ranks import part

    found, contents = None, {}
    recipe, runs = RECIPES[options.network], run_name(options.network, options.backprop)
    if options.resume is not None:
        found = resume.find(options.resume, options.log_dir, runs)
        contents = resume.read(found) if os.path.lexists(found) else {}
    with run_folder(options.log_dir, runs, found) as run:
        # Before the data: what this machine cannot do needs no download.
        logger = run_logger(run.parent.parent, run.parent.name, run.name)
        trainer = build_trainer(options, logger)
        most = most_threads(options.network, options.batch_size, options.hidden)
        threads.use(options.threads, most, contents.get("threads"), trainer.num_devices)
        data = TrainingData(
            options.dataset,
            options.data_dir,
            options.batch_size,
            options.seed,
            options.train_size,
            options.val_size,
            options.steps_per_execution,
            options.text_dir,
            recipe.sample,
        )
        data.prepare_data()
        samples = data.samples
        assert samples is not None
        if samples.warning:
            warn_loudly(samples.warning)
        require_equal_shares(trainer.world_size, options.batch_size, len(samples.train[1]))
        trainer.fit_loop.max_epochs = options.epochs or recipe.epochs[samples.name]
        classifier = build_classifier(options)
        if found and contents:
            hparams = {**classifier.hparams, **data.hparams}
            resume.check(found, contents, hparams, classifier.state_dict())
            steps = len(samples.training_batches(options.batch_size, options.seed))
            resume.check_progress(found, contents, trainer, classifier, steps)
        fit(trainer, classifier, data, found, contents, options.command)
        part()


def build_classifier(options: argparse.Namespace):
    """The classifier that the options describe."""
    import torch

    from torch_models.classifier import Classifier

    classifier = Classifier(
        backprop=options.backprop,
        sizes="-".join(map(str, [784, *options.hidden, 10])),
        activation=options.activation,
        loss=options.loss,
        lr=options.lr,
        momentum=options.momentum,
        momentum_form=options.momentum_form,
        seed=options.seed,
        network=options.network,
        warmup=options.warmup,
        half_life=options.half_life,
        clip=options.clip,
        attention=options.attention,
    )
    # Lightning does this, but after it has loaded a checkpoint: into float32.
    types = {"64-true": torch.float64, "bf16-true": torch.bfloat16, "16-true": torch.float16}
    classifier.to(types.get(options.precision, torch.float32))
    if options.compile:
        classifier.network.compile()
    return classifier


def build_trainer(options: argparse.Namespace, logger):
    """The Trainer that the options describe; for how many epochs, the data decide.

    Raises:
        RefusedError: Lightning finds no such accelerator, device, strategy or precision here.
    """
    import lightning as L

    from torch_models.checkpoints import WrittenAside, checkpoints
    from torch_models.dashboards.pages import Pages
    from torch_models.progress import EpochReport
    from torch_models.ranks import started
    from torch_models.unhooked import unhook

    pages = [] if options.dashboards == "off" else [Pages(full=options.dashboards == "full")]

    try:
        trainer = L.Trainer(
            accelerator=options.accelerator,
            devices=options.devices,
            num_nodes=options.num_nodes,
            strategy=options.strategy,
            precision=options.precision,
            max_epochs=options.epochs or 1,
            logger=logger,
            callbacks=[EpochReport(), *pages, *checkpoints(logger)],
            plugins=[WrittenAside()],
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
        )
    except Exception as error:
        raise RefusedError(
            f"--accelerator {options.accelerator} --devices {options.devices} --strategy "
            f"{options.strategy} --precision {options.precision}: not available on this "
            f"machine: {error}"
        ) from error
    unhook(trainer)
    cluster = getattr(trainer.strategy, "cluster_environment", None)
    if options.num_nodes > 1 and not (cluster and cluster.creates_processes_externally):
        raise RefusedError(
            f"--num-nodes {options.num_nodes}: start the processes with torchrun on each machine, "
            f"otherwise the first waits for the others"
        )
    if started() not in (None, trainer.world_size):
        raise RefusedError(
            f"--devices {options.devices} --num-nodes {options.num_nodes} are "
            f"{trainer.world_size} in all, but {started()} processes were started to train "
            f"together: give --devices the number on each machine, and --strategy ddp"
        )
    if options.precision == "16-mixed" and trainer.strategy.root_device.type == "cpu":
        raise RefusedError("--precision 16-mixed needs a GPU: use bf16-mixed or 32-true on the CPU")
    return trainer


def require_equal_shares(ranks: int, batch_size: int | str, samples: int) -> None:
    """Raises RefusedError unless so many processes can take equal shares of a batch."""
    batch = samples if isinstance(batch_size, str) else min(samples, batch_size)
    if batch % ranks:
        raise RefusedError(
            f"--batch-size: {ranks} processes cannot share {batch} samples equally: choose a size "
            f"that is a multiple of {ranks}"
        )


def warn_loudly(reason: str) -> None:
    """Say on stderr that the data are not MNIST, so that nobody takes the figures for MNIST's."""
    bar = "!" * 100
    streams().err.write(
        f"{bar}\nWARNING: this is NOT MNIST. It is digits instead: 1,797 scans of 8 × 8 pixels "
        f"that come with scikit-learn.\n{one_line(reason)}\n{bar}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
