"""What a first build takes over the time in which `curl --parallel` fetches the same bytes.

The base's registry and the package index are servers of this machine that send 30 MB/s each, as two hosts on
the internet do; each build has an empty cache. Needs curl, PyPI (once), and CONTAINERIZE_LAB (../shared/lab,
if there).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from costs import measure, row
from pythons import BASE, HERE, LAB

#: Bytes a second of each server, whatever the number of connections.
RATE = 30_000_000
PIECE = 64 * 1024
#: As on Docker Hub; what it says of the interpreter lets wheels come while the base does.
TAG = "3.13-slim"
FILES = "https://files.pythonhosted.org"


class Server(ThreadingHTTPServer):
    """Serves files by path, all together no faster than its rate."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, tuple[Path, str]] = {}
        self.lock, self.free_at = threading.Lock(), 0.0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def wait_for(self, size: int) -> None:
        with self.lock:
            self.free_at = max(self.free_at, time.monotonic()) + size / RATE
            until = self.free_at
        time.sleep(max(0, until - time.monotonic()))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    #: As registries do: otherwise each small answer on a used connection waits 40 ms for an acknowledgement.
    disable_nagle_algorithm = True
    server: Server

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        path, media_type = self.server.files.get(self.path, (None, "text/plain"))
        if self.path == "/v2/":
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        size = path.stat().st_size if path else 0
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if path else None
        start, last = (int(part[1]), int(part[2] or size)) if part else (0, size)
        last = min(last, size - 1)
        self.send_response(206 if part else 200 if path else 404)
        if part:
            self.send_header("Content-Range", f"bytes {start}-{last}/{size}")
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(last + 1 - start))
        self.end_headers()
        if not (path and with_body):
            return
        with contextlib.suppress(OSError), path.open("rb") as file:
            for at in range(start, last + 1, PIECE):
                count = min(PIECE, last + 1 - at)
                self.server.wait_for(count)
                os.sendfile(self.connection.fileno(), file.fileno(), at, count)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def server() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class ColdBench:
    def __init__(self, program: Path, work: Path, env: dict[str, str], runs: int) -> None:
        self.program, self.work, self.env, self.runs = program, work, env, min(runs, 5)

    def run(self) -> None:
        layout = LAB / "base-images"
        missing = [] if shutil.which("curl") else ["curl"]
        if missing := missing + ([] if layout.is_dir() else [str(layout)]):
            print(f"cold: not measured, as there is no {' and no '.join(missing)}")
            return
        self.work.mkdir()
        for name in ("web", "science"):
            with server() as registry, server() as index:
                self.base(registry, layout)
                self.set(name, registry, index)

    def base(self, registry: Server, layout: Path) -> None:
        """The base for this machine's platform, whose blobs are all that is fetched of it."""
        tops = json.loads((layout / "index.json").read_text())["manifests"]
        top = next(t for t in tops if t["annotations"].get("org.opencontainers.image.ref.name") == BASE)
        machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
        self.urls = []

        def place(descriptor: dict, kind: str) -> Path:
            path = layout / "blobs" / descriptor["digest"].replace(":", "/")
            registry.files[f"/v2/python/{kind}/{descriptor['digest']}"] = (path, descriptor["mediaType"])
            self.urls.append(f"http://{registry.host}/v2/python/{kind}/{descriptor['digest']}")
            return path

        path = place(top, "manifests")
        registry.files[f"/v2/python/manifests/{TAG}"] = (path, top["mediaType"])
        manifest = json.loads(path.read_text())
        if "manifests" in manifest:
            ours = (m for m in manifest["manifests"] if m["platform"]["architecture"] == machine)
            manifest = json.loads(place(next(ours), "manifests").read_text())
        for blob in [manifest["config"], *manifest["layers"]]:
            place(blob, "blobs")

    def set(self, name: str, registry: Server, index: Server) -> None:
        project = self.work / name
        shutil.copytree(HERE / f"python-{name}", project)
        self.build(project, registry)
        wheels = self.wheels(project, index)
        urls = [*self.urls, *wheels]
        times: dict[str, list[float]] = {"containerize": [], "curl --parallel": []}
        for _ in range(self.runs):
            times["containerize"].append(self.build(project, registry))
            times["curl --parallel"].append(self.curl(urls))
        middle = {title: statistics.median(values) for title, values in times.items()}
        print(f"first build of the {name} set, hosts of {RATE / 1e6:.0f} MB/s, median of {self.runs}")
        for title, seconds in middle.items():
            row(title, f"{seconds:.2f} s")
        row("ratio", f"{middle['containerize'] / middle['curl --parallel']:.2f}", "aim: 1.15")

    def wheels(self, project: Path, index: Server) -> list[str]:
        """Has the index serve the wheels that the build has fetched, and the lock name it."""
        lock = project / "uv.lock"
        found = []
        pattern = re.compile(rf'url = "{FILES}([^"]+)", hash = "sha256:(\w+)"')
        kept = self.work / "wheels"
        kept.mkdir(exist_ok=True)
        for path, digest in pattern.findall(lock.read_text()):
            blob = next((self.work / "cache").rglob(digest), None)
            if blob is not None:
                index.files[path] = (Path(shutil.copy(blob, kept)), "application/octet-stream")
                found.append(f"http://{index.host}{path}")
        lock.write_text(lock.read_text().replace(FILES, f"http://{index.host}"))
        return found

    def build(self, project: Path, registry: Server) -> float:
        shutil.rmtree(self.work / "cache", ignore_errors=True)
        shutil.rmtree(self.work / "image", ignore_errors=True)
        env = {**self.env, "XDG_CACHE_HOME": str(self.work / "cache")}
        base = ["--base", f"{registry.host}/python:{TAG}"]
        return measure([self.program, *base, "--output", f"oci:{self.work}/image"], project, env).wall

    def curl(self, urls: list[str]) -> float:
        folder = self.work / "curl"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        outputs = [part for number, url in enumerate(urls) for part in ("-o", str(folder / str(number)), url)]
        call = ["curl", "--silent", "--fail", "--parallel", "--parallel-immediate", "--parallel-max", "50"]
        return measure([*call, *outputs], self.work, self.env).wall
