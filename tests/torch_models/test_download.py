"""The download against a server on this machine that misbehaves in every way that servers have."""

import gc
import hashlib
import http.server
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from torch_models import download as module
from torch_models import mnist
from torch_models.download import DownloadError, download

# torchvision leaves the connections of failed transfers to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

CONTENT = bytes(range(256)) * 64
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind = self.path.split("/")[1]
        if kind == "missing":
            self.send_error(404)
        elif kind == "broken":
            self.send_error(500)
        elif kind == "circle":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
        elif kind == "silent":
            self.server.stop.wait(30)
        else:
            body = b"something else" if kind == "wrong" else CONTENT
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if kind == "half":
                self.wfile.write(body[: len(body) // 2])
            elif kind == "dripping":
                for byte in body:
                    if self.server.stop.wait(0.05):
                        return
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
            else:
                self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module", autouse=True)
def left_open():
    """What transfers that were given up left open must not be blamed on the tests that follow."""
    yield
    gc.collect()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)  # a thread that would outlive the test
    before = set(threading.enumerate())
    server = serve(Handler)
    server.stop = threading.Event()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.stop.set()
    server.shutdown()
    server.server_close()
    for thread in set(threading.enumerate()) - before:
        thread.join(2)  # a transfer that was given up ends with its server


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    # The fraction of a second that the end of the test waits for it.
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


def test_the_first_mirror_that_works_gives_the_file(server, tmp_path):
    urls = [f"{server}{kind}/file" for kind in ("missing", "wrong", "good", "broken")]
    download(urls, tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "404"),
        ("broken", "500"),
        ("wrong", "md5"),
        ("half", "md5|bytes|retrieval"),
        ("circle", "redirect|infinite loop"),
        ("silent", "timed out"),
        ("dripping", "timed out"),
    ],
)
def test_a_server_that_misbehaves(server, tmp_path, monkeypatch, kind, says):
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    started = time.monotonic()
    with pytest.raises(DownloadError, match=f"(?i){kind}/file: .*({says})"):
        download([f"{server}{kind}/file"], tmp_path / "file", MD5)
    assert time.monotonic() - started < 10
    assert not (tmp_path / "file").exists()


def test_two_at_once_and_one_that_was_killed(server, tmp_path):
    (tmp_path / ".download-killed").mkdir()
    (tmp_path / ".download-killed" / "file").write_bytes(CONTENT[:100])
    urls = [f"{server}{kind}/file" for kind in ("half", "good")]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: download(urls, tmp_path / "file", MD5), range(20)))
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert {path.name for path in tmp_path.iterdir()} == {"file", ".download-killed"}


def test_mnist_from_a_mirror(server, tmp_path, monkeypatch, mnist_root):
    """The four files by way of torchvision's names and md5 sums."""
    source = mnist.source("mnist")
    raw = mnist.folder("mnist", mnist_root)

    class Mirror(Handler):
        def do_GET(self):
            body = (raw / self.path.rsplit("/", 1)[1]).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    mirror = serve(Mirror)
    here = f"http://127.0.0.1:{mirror.server_port}/"
    monkeypatch.setattr(source, "mirrors", [f"{server}missing/", here])
    contents = mnist.load("mnist", tmp_path)
    mirror.shutdown()
    mirror.server_close()
    assert [len(tensor) for tensor in contents] == [60_000, 60_000, 10_000, 10_000]
    assert sorted(p.name for p in mnist.folder("mnist", tmp_path).iterdir()) == sorted(
        name for name, _ in source.resources
    )
