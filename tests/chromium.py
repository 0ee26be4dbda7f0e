"""Our pages in a real browser."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def opened(file: Path, width: int, **media: str) -> Iterator[tuple[Any, list[str]]]:
    """The page of a file, and what went wrong on it so far: errors, and requests to anywhere."""
    if BROWSER is None:
        pytest.skip("no Chromium here: set CHROMIUM to its path")
    playwright = pytest.importorskip("playwright.sync_api")
    troubles: list[str] = []

    def asked(request: Any) -> None:
        if not request.url.startswith(("file:", "data:")):
            troubles.append(request.url)

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 900}, **media)
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", asked)
        page.goto(file.as_uri())
        yield page, troubles
        browser.close()
