"""A layer of two gigabytes goes through the program, and never stays in its memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from harness import AMD64, Program, need, need_target, run, skopeo_digest, tiny_project

SIZE = 2_000_000_000
BLOCK = 1_000_000
#: Peak of what is not backed by files, in KiB.
MOST_MEMORY = 64 * 1024
SAMPLE_SECONDS = 0.005


def noise(path: Path) -> None:
    """A file that does not pack: its repetitions lie further apart than deflate looks back."""
    block = os.urandom(BLOCK)
    with path.open("wb") as file:
        for _ in range(SIZE // BLOCK):
            file.write(block)


class Peak(threading.Thread):
    """Watches the memory of the process that a command becomes."""

    def __init__(self, pid_file: Path) -> None:
        super().__init__(daemon=True)
        self.pid_file = pid_file
        self.anonymous = self.resident = 0
        self.start()

    def run(self) -> None:
        while not (self.pid_file.exists() and self.pid_file.read_text().strip()):
            time.sleep(SAMPLE_SECONDS)
        status = Path(f"/proc/{self.pid_file.read_text().strip()}/status")
        while True:
            try:
                lines = dict(line.partition(":")[::2] for line in status.read_text().splitlines())
            except OSError:
                return
            if "RssAnon" not in lines:
                return
            self.anonymous = max(self.anonymous, int(lines["RssAnon"].split()[0]))
            self.resident = max(self.resident, int(lines["VmHWM"].split()[0]))
            time.sleep(SAMPLE_SECONDS)


def within_memory(program: Program, *args: str | Path, cwd: Path, said: str) -> str:
    """Runs the program, whose peak of memory must be small; the digest."""
    pid_file = cwd / "pid"
    pid_file.unlink(missing_ok=True)
    peak = Peak(pid_file)
    # The shell's process becomes the program's.
    done = program(*args, cwd=cwd, wrap=["sh", "-c", f'echo $$ >"{pid_file}" && exec "$@"', "sh"])
    peak.join()
    print(f"{said}: peak {peak.anonymous / 1024:.1f} MiB, with mapped files {peak.resident / 1024:.1f} MiB")
    assert 0 < peak.anonymous < MOST_MEMORY, said
    return done.digest


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_two_gigabytes_are_pushed_and_pulled_in_little_memory(program, registry, tmp_path: Path) -> None:
    need("skopeo")
    need_target(AMD64)
    here, cache = registry("anonymous"), tmp_path / "cache"
    large = tiny_project(tmp_path / "large", name="large")
    noise(large / "noise")
    flags = ["--platform", "linux/amd64", "--cache-dir", cache]
    to = here.name("large/base:1")
    push = [*flags, "--push", "-t", to, "--file", "noise:/srv/noise"]
    digest = within_memory(program, *push, cwd=large, said="packed and pushed")
    assert skopeo_digest(f"docker://{to}", *here.skopeo_options()) == digest
    manifest = json.loads(run(["skopeo", "inspect", "--raw", *here.skopeo_options(), f"docker://{to}"]).out)
    layer = max(manifest["layers"], key=lambda layer: layer["size"])
    assert layer["size"] > SIZE

    (large / "noise").unlink()
    shutil.rmtree(cache)
    app, layout = tiny_project(tmp_path / "app"), tmp_path / "layout"
    pull = [*flags, "--base", to, "-o", f"oci:{layout}"]
    within_memory(program, *pull, cwd=app, said="pulled")
    with (layout / "blobs" / layer["digest"].replace(":", "/")).open("rb") as blob:
        assert "sha256:" + hashlib.file_digest(blob, "sha256").hexdigest() == layer["digest"]
    # Later journeys need the room.
    shutil.rmtree(cache)
    shutil.rmtree(layout)
