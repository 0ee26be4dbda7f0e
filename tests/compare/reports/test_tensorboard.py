"""Every page of the real TensorBoard, in a real browser."""

import re
import subprocess
import sys
import time
import urllib.request
from io import BytesIO

import pytest
from PIL import Image

from compare import training
from compare.notes import in_tensorboard
from compare.training.disagreement import GROUP
from tests import chromium
from tests.exhaustive import some
from torch_models.names import NAMESPACES
from torch_models.train import main as train

FLAGS = [*chromium.FLAGS, "--enable-unsafe-swiftshader"]  # the projector's WebGL, without a GPU
URL = r"http://127\.0\.0\.1:\d+"
RUNS = (*NAMESPACES, "manual-against-autograd")
#: Counts what is wide and high enough to be a curve; a flat axis or a marker is not.
CURVES = """paths => paths.filter(path => {
    const box = path.getBBox();
    return box.width > 50 && box.height > 5;
}).length"""
LOADED = "pictures => pictures.filter(picture => picture.naturalWidth > 25).length"

UNSCALED = "pictures => pictures.filter(picture => picture.naturalWidth == picture.width).length"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium.BROWSER is None, reason="no Chromium here: set CHROMIUM to its path"
    ),
]


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory):
    """Runs of the three ways, one of a comparison, and one of the notes."""
    folder = tmp_path_factory.mktemp("logs")
    to = ["--dataset", "digits", "--hidden", "12", "--epochs", "3", "--log-dir", str(folder)]
    for way in NAMESPACES:
        assert train(["--backprop", way, *to]) == 0
    assert training.main(to) == 0
    assert training.main(["--backprop", "explicit", *to]) == 0
    picture = folder / "error_surface.png"
    Image.new("RGB", (400, 300), "teal").save(picture)
    in_tensorboard.show([picture], folder)
    return folder


@pytest.fixture(scope="module")
def address(log_dir):
    """Of a TensorBoard that has read the runs."""
    # The system chooses the port; TensorBoard says which.
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(log_dir)]
    command += ["--host", "127.0.0.1", "--port", "0"]
    told = log_dir / "server.txt"
    with told.open("w") as said:
        server = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        _wait(lambda: re.search(URL, told.read_text()), server)
        url = re.search(URL, told.read_text())[0]
        _wait(lambda: "lecture-notes/version_0" in _read(f"{url}/data/runs"), server)
        yield url
    finally:
        server.kill()  # it has nothing to save, and SIGTERM does not always end it
        server.wait()


@pytest.fixture(scope="module")
def context():
    """One for all pages, so that what they have in common is loaded once."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium.BROWSER, args=FLAGS)
        yield browser.new_context(viewport={"width": 1440, "height": 900})
        browser.close()


@pytest.fixture
def visit(context, address):
    """Opens a page at the size that a person uses; nothing may go wrong on it."""
    wrong = []
    page = context.new_page()
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda r: wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None)

    def open_page(name):
        page.goto(f"{address}/#{name}")
        return page

    yield open_page
    page.close()
    assert wrong == []


def _read(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def _wait(condition, server=None):
    """Until it holds, a minute at most; servers and pages take their time."""
    end = time.monotonic() + 60
    while not condition():
        assert server is None or server.poll() is None, "TensorBoard has ended"
        assert time.monotonic() < end, "waited for a minute"
        time.sleep(0.2)


def _curves(page, selector, at_least):
    charts = page.locator(selector)
    _wait(lambda: charts.evaluate_all(CURVES) >= at_least)


def _coloured(png):
    """How many pixels are neither white, grey nor black."""
    pixels = Image.open(BytesIO(png)).convert("HSV").getchannel("S")
    return sum(pixels.histogram()[60:])


def _shows(page, *texts):
    for text in texts:
        page.get_by_text(text, exact=True).first.wait_for(timeout=60_000)


def test_time_series(visit):
    page = visit("timeseries")
    _shows(page, *(f"{run}/version_0" for run in RUNS), "accuracy/train")
    # Its curves are drawn on a canvas.
    chart = page.locator("scalar-card").filter(has_text="accuracy/train").locator("line-chart")
    _wait(lambda: _coloured(chart.screenshot()) > 200)


def test_scalars_overlay_the_ways(visit):
    page = visit("scalars")
    _shows(page, *(f"{run}/version_0" for run in RUNS), "accuracy/train", "loss/val")
    # Each card has one curve for each way and its unsmoothed twin.
    loss = page.locator("tf-scalar-card").filter(has_text="loss/val")
    _wait(lambda: loss.locator("path").evaluate_all(CURVES) >= 3)
    for group in ("norm of delta", "norm of gradient", "training", GROUP):
        heading = page.locator("button.heading").filter(has_text=group)
        assert heading.count() == 1


@pytest.mark.exhaustive
def test_norms_and_speed_are_drawn(visit):
    page = visit("scalars&tagFilter=layer%20%5Cd%7Cexamples")
    _shows(page, "norm of delta/layer 1", "norm of gradient/layer 2")
    for tag in ("norm of delta/layer 1", "norm of gradient/layer 2", "examples per second"):
        card = page.locator("tf-scalar-card").filter(has_text=tag)
        _wait(lambda card=card: card.locator("path").evaluate_all(CURVES) >= 3)


def test_custom_scalars(visit):
    page = visit("custom_scalars")
    _shows(page, "manual against autograd")
    disagreement = (f"gradient difference of layer {n}, log10" for n in (1, 2))
    for title in ("loss", "accuracy", *disagreement):
        card = page.locator("tf-custom-scalar-multi-line-chart-card").filter(has_text=title)
        _wait(lambda card=card: card.locator("path").evaluate_all(CURVES) >= 2)


def test_pictures(visit):
    page = visit("images")
    names = ("confusion matrix", "misclassified", "precision against recall", "weights of layer 1")
    _shows(page, *(f"pictures/{name}" for name in names))
    # As wide as they are drawn: TensorBoard leaves out pixels of what it shrinks.
    ours = page.locator("tf-image-loader").filter(has_text="pictures/").locator("img")
    _wait(lambda: ours.evaluate_all(UNSCALED) == 12)
    notes = page.locator("tf-image-loader").filter(has_text="error surface").locator("img")
    _wait(lambda: notes.evaluate_all(LOADED) == 1)
    _shows(page, "plots of the lecture notes/error surface")


@pytest.mark.parametrize("page", some(["distributions"], ["distributions", "histograms"]))
def test_values_per_layer(visit, page):
    chart = {
        "distributions": "vz-distribution-chart path.area",
        "histograms": "vz-histogram-timeseries path.outline",
    }
    opened = visit(page)
    _shows(opened, "activations", "delta", "gradients", "weights")
    _shows(opened, "activations/layer 1", "delta/layer 2")
    _curves(opened, chart[page], 12)


@pytest.mark.exhaustive
def test_precision_against_recall(visit):
    page = visit("pr_curves")
    _shows(page, *(f"precision against recall/class {digit}" for digit in range(4)))
    _curves(page, "tf-pr-curve-card path", 9)


@pytest.mark.parametrize("way", some(["manual"], NAMESPACES))
def test_graph(visit, way):
    page = visit(f"graphs&run={way}%2Fversion_0")
    for name in ("input", "Linear[0]", "ReLU[1]", "Linear[2]", "output"):
        page.locator("g.node").filter(has_text=name).first.wait_for(timeout=60_000)


@pytest.mark.exhaustive
def test_hyperparameters(visit):
    page = visit("hparams")
    _shows(page, "backprop", "accuracy, test", *(f"{way}/version_0" for way in NAMESPACES))
    cells = page.locator("vaadin-grid-cell-content")
    _wait(lambda: sum("0.9" in text for text in cells.all_text_contents()) >= 3)


@pytest.mark.exhaustive
def test_projector(visit):
    frame = visit("projector").frame_locator("iframe").frame_locator("iframe")
    frame.get_by_text("Points: 137").first.wait_for(timeout=60_000)
    canvas = frame.locator("canvas").first
    _wait(lambda: _coloured(canvas.screenshot()) > 2000)  # strokes of digits, not dots
