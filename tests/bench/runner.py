"""What a clean CI runner moves, and how long it takes, behind a line with latency.

Each run has an empty cache; the registry is that of tests/lab/referrers behind a line of 20 ms that counts
requests and bytes. Wheels come from the package index without that line, as they do on a runner. Needs Go,
skopeo, PyPI, and CONTAINERIZE_LAB (../shared/lab, if there).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import statistics
import threading
from collections.abc import Iterator
from pathlib import Path

import rivals
from costs import measure, row
from pythons import BASE, HERE, LAB, ROOT
from transfer import background, free_port

#: Clean machines of which a median is taken.
MACHINES = 5
#: And of those of other builders, which take long.
RIVAL_MACHINES = 3
#: Of the line, one way, in seconds.
DELAY = 0.010
REQUEST = re.compile(rb"(?:GET|HEAD|PUT|POST|PATCH|DELETE) /v2/")


class Line:
    """Carries connections on, late, and counts what passes."""

    def __init__(self, target: int, delay: float) -> None:
        self.target, self.port, self.delay = target, free_port(), delay
        self.requests = self.bytes = 0
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        server = asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.loop.run_until_complete(server)
        ready.set()
        self.loop.run_forever()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(self._carry(reader, up_writer, True), self._carry(up_reader, writer, False))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, up: bool) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def read() -> None:
            while data := await reader.read(1 << 18):
                self.bytes += len(data)
                if up:
                    self.requests += len(REQUEST.findall(data))
                queue.put_nowait((self.loop.time() + self.delay, data))
            queue.put_nowait((0, b""))

        async def write() -> None:
            while True:
                when, data = await queue.get()
                if not data:
                    break
                await asyncio.sleep(max(0, when - self.loop.time()))
                writer.write(data)
                await writer.drain()
            writer.close()

        with contextlib.suppress(OSError):
            await asyncio.gather(read(), write())

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


@contextlib.contextmanager
def line_to(port: int, delay: float = DELAY) -> Iterator[Line]:
    line = Line(port, delay)
    try:
        yield line
    finally:
        line.close()


def missing_tools() -> tuple[str | None, list[str]]:
    """Where Go is, and what such measurements need that is not there."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    missing = [name for name, there in (("Go", go), ("skopeo", shutil.which("skopeo"))) if not there]
    return go, missing + ([] if (LAB / "base-images").is_dir() else [f"{LAB}/base-images"])


class RunnerBench:
    def __init__(self, program: Path, work: Path, env: dict[str, str]) -> None:
        self.program, self.work, self.env = program, work, {**env, "CI": "true"}

    def run(self) -> None:
        go, missing = missing_tools()
        if missing:
            print(f"runner: not measured, as there is no {' and no '.join(missing)}")
            return
        self.work.mkdir()
        registry = self.work / "referrers"
        measure([go, "build", "-o", registry, "."], ROOT / "tests/lab/referrers", dict(os.environ))
        for name, source in (("web", "app/main.py"), ("science", "app/__main__.py")):
            port = free_port()
            log = self.work / "registry.log"
            with background([registry, f"127.0.0.1:{port}"], port, log), line_to(port) as self.line:
                self.host = f"127.0.0.1:{self.line.port}"
                base = f"docker://127.0.0.1:{port}/base/python:1"
                from_layout = f"oci:{LAB}/base-images:{BASE}"
                copy = ["skopeo", "copy", "-q", "--dest-tls-verify=false", from_layout, base]
                measure(copy, self.work, self.env)
                self.set(name, source)
        port = free_port()
        with (
            background([registry, f"127.0.0.1:{port}"], port, self.work / "registry.log"),
            line_to(port) as self.line,
        ):
            self.host = f"127.0.0.1:{self.line.port}"
            self.rust()
        port = free_port()
        with (
            background([registry, f"127.0.0.1:{port}"], port, self.work / "registry.log"),
            line_to(port) as self.line,
        ):
            self.host = f"127.0.0.1:{self.line.port}"
            self.rivals(port, go)

    def rivals(self, port: int, go: str) -> None:
        """Other builders with an empty cache of their own, behind the same line."""
        print(f"other builders on clean machines, 20 ms of latency, median of {RIVAL_MACHINES}")
        rivals.copy_bases(port, self.work, self.env)
        for rival in rivals.there(self.work, go, self.env):
            rival.push(self.host)
            for title, line in (("nothing changed", None), ("one line changed", "{comment} {number}\n")):
                times, requests, sizes = [], [], []
                for number in range(RIVAL_MACHINES):
                    if line:
                        comment = "//" if rival.changed.suffix == ".go" else "#"
                        with rival.changed.open("a") as file:
                            file.write(line.format(comment=comment, number=number))
                    self.line.requests = self.line.bytes = 0
                    times.append(rival.push(self.host))
                    requests.append(self.line.requests)
                    sizes.append(self.line.bytes)
                self.told(f"{rival.label}, {title}", times, requests, sizes)

    def rust(self) -> None:
        """Cargo's own work is not measured: it takes as long as it takes on a machine without its results."""
        project = self.work / "hello-web"
        shutil.copytree(ROOT / "examples/hello-web", project, ignore=shutil.ignore_patterns("target"))
        print(f"hello-web on clean machines, 20 ms of latency, median of {MACHINES}")
        flags = ("--locked", "--if-changed", "--remote-cache")
        self.machine(project, "web", *flags)
        self.case("nothing changed, where cargo decides and has its results", project, "web", "--locked")
        shutil.rmtree(project / "target")
        self.case("nothing changed, --if-changed and no results of cargo", project, "web", *flags)
        if (project / "target" / "x86_64-unknown-linux-musl").exists():
            print("  it was compiled again")

    def set(self, name: str, source: str) -> None:
        project = self.work / name
        shutil.copytree(HERE / f"python-{name}", project)
        print(f"{name} set on clean machines, 20 ms of latency, median of {MACHINES}")
        cached = f"--remote-cache={self.host}/fleet/cache"
        self.machine(project, "first", cached)
        self.case("nothing changed, without the remote cache", project, "first", "--no-remote-cache")
        self.case("nothing changed", project, "first", cached)
        changes = iter(range(MACHINES))

        def change() -> None:
            with (project / source).open("a") as file:
                file.write(f"# {next(changes)}\n")

        self.case("one line changed", project, "first", cached, before=change)
        services = iter(range(MACHINES))
        self.case("another service of the fleet", project, lambda: f"service-{next(services)}", cached)

    def case(self, title, project, repository, *flags, before=lambda: None) -> None:
        times, requests, sizes = [], [], []
        for _ in range(MACHINES):
            before()
            name = repository if isinstance(repository, str) else repository()
            seconds, asked, moved = self.machine(project, name, *flags)
            times.append(seconds)
            requests.append(asked)
            sizes.append(moved)
        self.told(title, times, requests, sizes)

    @staticmethod
    def told(title: str, times: list[float], requests: list[int], sizes: list[int]) -> None:
        middle = statistics.median
        row(title, f"{middle(times):.2f} s", f"{middle(requests):.0f} requests, {middle(sizes) / 1e3:.0f} kB")

    def machine(self, project: Path, repository: str, *flags: str) -> tuple[float, int, int]:
        cache = self.work / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        self.line.requests = self.line.bytes = 0
        base = [] if (project / "Cargo.toml").exists() else ["--base", f"{self.host}/base/python:1"]
        push = [self.program, *base, "--push", *flags]
        cost = measure(
            [*push, "--tag", f"{self.host}/{repository}/image:1"],
            project,
            {**self.env, "XDG_CACHE_HOME": str(cache)},
        )
        return cost.wall, self.line.requests, self.line.bytes
