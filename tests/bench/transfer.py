"""What a push is measured with: layouts of noise, fresh registries, and a line with latency.

transfer.py PORT TARGET MILLISECONDS   carries connections to 127.0.0.1:PORT over to TARGET
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

MEDIA = "application/vnd.oci.image."
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
SECONDS_TO_ANSWER = 30
PIECE = 256 * 1024


def noise_layout(folder: Path, blobs: int, size: int) -> None:
    """An image of so many layers that nobody has ever seen: a client remembers what it has sent once,
    and mounts it."""
    store = folder / "blobs" / "sha256"
    store.mkdir(parents=True)

    def keep(data: bytes, media_type: str) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        (store / digest).write_bytes(data)
        return {"mediaType": MEDIA + media_type, "digest": f"sha256:{digest}", "size": len(data)}

    layers, diff_ids = [], []
    for number in range(blobs):
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            entry = tarfile.TarInfo(f"noise-{number}")
            entry.size = size
            archive.addfile(entry, io.BytesIO(os.urandom(size)))
        diff_ids.append("sha256:" + hashlib.sha256(tar.getbuffer()).hexdigest())
        # Noise does not pack; so it costs nothing to unpack either.
        layers.append(keep(gzip.compress(tar.getbuffer(), 0, mtime=0), "layer.v1.tar+gzip"))
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    config = {"architecture": ARCHITECTURE, "os": "linux", "config": {}, "rootfs": rootfs}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MEDIA + "manifest.v1+json",
        "config": keep(json.dumps(config).encode(), "config.v1+json"),
        "layers": layers,
    }
    top = keep(json.dumps(manifest).encode(), "manifest.v1+json")
    index = {"schemaVersion": 2, "manifests": [top]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def background(command: list[str | Path], port: int, log: Path) -> Iterator[None]:
    """Runs a server until the end of the block; it is ready when its port is open."""
    with log.open("w") as lines:
        process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=lines, stderr=lines
        )
    try:
        deadline = time.monotonic() + SECONDS_TO_ANSWER
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{command[0]} does not answer:\n{log.read_text()}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def empty_registry(folder: Path, delay: int) -> Iterator[str]:
    """A registry that has nothing yet, behind a line of so many milliseconds each way; its address."""
    folder.mkdir()
    port = free_port()
    config = folder / "config.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}', secret: bench}}\n"
    )
    with background(["docker-registry", "serve", config], port, folder / "registry.log"):
        if not delay:
            yield f"127.0.0.1:{port}"
            return
        far = free_port()
        line = [sys.executable, Path(__file__).resolve(), str(far), str(port), str(delay)]
        with background(line, far, folder / "line.log"):
            yield f"127.0.0.1:{far}"


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Carries all bytes of one direction, each so much later and none held up by another."""
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def take() -> None:
        data = b"first"
        while data:
            try:
                data = await reader.read(PIECE)
            except OSError:
                data = b""
            on_the_way.put_nowait((time.monotonic() + delay, data))

    taking = asyncio.create_task(take())
    with contextlib.suppress(OSError):
        while True:
            due, data = await on_the_way.get()
            await asyncio.sleep(due - time.monotonic())
            if not data:
                writer.write_eof()
                break
            writer.write(data)
            await writer.drain()
    await taking


async def line(port: int, target: int, delay: float) -> None:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A connection is made in one round trip.
        await asyncio.sleep(2 * delay)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(carry(reader, far_writer, delay), carry(far_reader, writer, delay))
        for end in (writer, far_writer):
            end.close()

    server = await asyncio.start_server(connect, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    near, far, milliseconds = map(int, sys.argv[1:])
    asyncio.run(line(near, far, milliseconds / 1000))
