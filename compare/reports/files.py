"""Every file that a report is written to, as the command line asks."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compare.command import console
from compare.command.writing import write_json, write_text
from compare.comparison import annotations
from compare.comparison.report import Report
from compare.repair import patch
from compare.reports import html, junit
from torch_models.streams import streams

_PAGES: dict[str, Callable[[Report], str]] = {"html": html.page, "junit": junit.document}


def write(report: Report, options: argparse.Namespace, facts: dict[str, Any]) -> None:
    """JSON, HTML, JUnit, TensorBoard, and annotations where GitHub runs it.

    Args:
        report: What was found.
        options: ``json``, ``html``, ``junit``, ``fix`` and ``tensorboard``, each a path or None.
        facts: What the JSON says beside the report.

    Raises:
        NotWrittenError: One of them cannot be written; the message names the option.
    """
    if options.json:
        write_json(options.json, {**report.as_json(), **facts})
    for name, page in _PAGES.items():
        if path := getattr(options, name):
            write_text(path, page(report), f"--{name}")
    if options.fix:
        changes = patch.unified(report.layers)
        if options.fix == "-":
            streams().out.write(changes)
        else:
            write_text(Path(options.fix), changes, "--fix")
    if options.tensorboard:
        from compare.reports import tensorboard

        tensorboard.write(report, options.tensorboard)
    if "GITHUB_ACTIONS" in os.environ:
        for line in annotations.lines(report):
            console.plain(line)
